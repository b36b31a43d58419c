// The report of a comparison.
import { formatNumber, formatSeconds, own } from "../../base/index.js";
import {
  type ComparedTask,
  type Comparison,
  type ComparisonLog,
  seedsText,
  type TriedPoint,
} from "../../base/records/index.js";
import { scoresHeading } from "../statistics/checkComparison.js";
import { comparisonTables } from "../tables/comparisonTables.js";
import { pointText } from "../tables/costColumns.js";
import { significanceTable } from "../tables/significanceTable.js";
import { varianceTable } from "../tables/varianceTable.js";
import { costFigure, type RunCost } from "./figures/cost.js";
import type { CurveSubject } from "./figures/curves.js";
import { differencesFigure } from "./figures/pairedDifferences.js";
import { legend } from "./figures/palette.js";
import { settingCurves } from "./figures/settingCurve.js";
import { trainingFigures } from "./figures/trainingFigures.js";
import {
  alert,
  collapsedIfLong,
  comparedTable,
  counted,
  factList,
  formatted,
  html,
  type Markup,
  NOTHING,
  row,
  section,
  table,
  taskPart,
} from "./html.js";
import { type LivePart, renderPage } from "./page.js";
import { alertOf, sharedSetting, startTimes } from "./renderReport.js";
import { type Run, toRuns } from "./runs.js";
import { machineTables, settingsTables } from "./tables.js";

/**
 * A comparison as one HTML file: its tables, the runs behind them, and each method's curves as means over its seeds.
 * @param live the progress of the runs, if the page is served while they run
 */
export function renderComparison(found: ComparisonLog, live?: LivePart): string {
  const { tasks, name } = found;
  const runs = toRuns(found.runs.flatMap(({ log }) => log ?? []));
  const subjectsOf = (task?: string) => methodSubjects(found, runs, task);
  const isOne = tasks.length === 1;
  const all = subjectsOf();
  const started = all.filter((subject) => subject.runs.length > 0);
  return renderPage({
    title: `${name} – comparison`,
    heading: `Comparison ${name}`,
    about: aboutOf(found, runs),
    content: [
      missingAlert(found),
      ...runs.map(alertOf),
      ...scoreParts(found),
      ...varianceTable(found).map((table) =>
        section("variance", "Variance", [comparedTable(table, "Components of the variance of a run’s score")]),
      ),
      legend(all),
      ...tasks.flatMap((task) => {
        // The name is in the titles if there are several tasks.
        const name = isOne ? undefined : task.name;
        const figures = [
          ...[costOf(found, task, name), ...settingCurves(found, task, name)],
          ...trainingFigures(subjectsOf(task.name), name),
        ];
        return isOne ? figures : taskPart(task.name, `${task.name}: costs and curves`, figures);
      }),
      conditionsSection(found),
      settingsTables(started, ["seed", "output"]),
      machineTables(started),
    ],
    source:
      "Made by bidora from comparison.json and the runs’ events.jsonl; each run’s own report has its classes and rows.",
    live,
  });
}

/** Scores and costs, the differences of the methods, and their tests. */
export function scoreParts(found: ComparisonLog): (Markup | undefined)[] {
  const { tasks, tests } = found;
  const captionOf = (i: number): string => {
    if (tasks.length === 1) return scoresHeading("Scores and costs of each method", tasks[0]!.rows);
    const task = tasks[i - 1];
    return task ? scoresHeading(`Scores and costs on ${task.name}`, task.rows) : "Scores of each method";
  };
  const tables = comparisonTables(found satisfies Comparison, found.reached).map((table, i) =>
    comparedTable(table, captionOf(i)),
  );
  const significance =
    tests.length > 0 ? comparedTable(significanceTable(tests), "Tests of each pair of methods") : undefined;
  return [
    section("scores", "Scores and costs", tables),
    differencesFigure(found),
    significance && section("significance", "Significance", [significance]),
  ];
}

function aboutOf({ tasks, runs }: ComparisonLog, logs: readonly Run[]): string {
  const model = sharedSetting(logs, "model");
  const counts = `${runs.length} runs on ${tasks.length === 1 ? tasks[0]!.name : `${tasks.length} tasks`}`;
  return [...(model === undefined ? [] : [model]), counts, ...startTimes(logs)].join(" · ");
}

function missingAlert({ runs }: ComparisonLog): Markup | undefined {
  const missing = runs.filter(({ log }) => log === undefined);
  if (missing.length === 0) return undefined;
  const names = missing.map((run) => `${run.task} ${run.method} ${seedsText(run)}`).join(", ");
  return alert(`Not in the curves, because the log can’t be read: ${names}.`);
}

/** The methods with their runs on one task, or on all tasks. */
function methodSubjects(
  { methods, runs }: ComparisonLog,
  logs: readonly Run[],
  task: string | undefined,
): CurveSubject[] {
  // The logs are in the order of the runs that have one.
  const known = runs.filter(({ log }) => log !== undefined);
  return methods.map((name, index) => ({
    index,
    name,
    runs: logs.filter((_, i) => known[i]!.method === name && (task === undefined || known[i]!.task === task)),
  }));
}

function costOf(
  { runs, methods }: ComparisonLog,
  { name, metrics: [main] }: ComparedTask,
  task: string | undefined,
): Markup | undefined {
  const spent = runs.flatMap((run): RunCost[] => {
    const score = own(run.metrics, main.name);
    if (run.task !== name || score === undefined) return [];
    const { method, seconds, trainedParameters, peakMemoryBytes } = run;
    const cost = { seconds, trainedParameters, peakMemoryBytes };
    return [{ name: method, index: methods.indexOf(method), run: `${method} ${seedsText(run)}`, score, ...cost }];
  });
  return costFigure(spent, { metric: main.name, goal: main.goal }, task);
}

/** The conditions of a comparison: the budget of each run, and the points that were tried and chosen. */
function conditionsSection({ conditions, methods, tasks, runs, tuning = [] }: ComparisonLog): Markup {
  const { budget, seeds, dataSeeds, jobs } = conditions;
  const facts = [
    ["Methods", methods.join(", ")],
    ["Tasks", tasks.map(({ name }) => name).join(", ")],
    ["Runs", String(runs.length)],
    ["Seeds", Array.isArray(seeds) ? seeds.join(", ") : NOTHING],
    ...(Array.isArray(dataSeeds) ? [["Data seeds", dataSeeds.join(", ")] as const] : []),
    ["Budget of each run", budgetText(budget)],
    ["Runs at once", typeof jobs === "number" ? String(jobs) : NOTHING],
    ...others(conditions),
  ] as const;
  return section("conditions", "Conditions", [factList(facts), tuning.length > 0 ? triedTable(tuning) : undefined]);
}

type Point = Readonly<Record<string, unknown>>;
const isPoint = (value: unknown): value is Point =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function budgetText(budget: unknown): string {
  if (!isPoint(budget)) return "as in its settings";
  return `${String(budget.amount)} ${String(budget.of)}`;
}

/** Conditions that a later version may add. */
const KNOWN: ReadonlySet<string> = new Set(["budget", "seeds", "dataSeeds", "jobs", "grid", "tune", "curve"]);
const others = (conditions: ComparisonLog["conditions"]): (readonly [string, string])[] =>
  Object.entries(conditions)
    .filter(([key]) => !KNOWN.has(key))
    .map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]);

/** Every point that was tried, with its score and its time. */
function triedTable(tuning: readonly TriedPoint[]): Markup {
  const rows = tuning.map((point) =>
    row(point.method, [
      point.task,
      pointText(point),
      point.score === null ? (point.reason ?? NOTHING) : formatNumber(point.score),
      formatted(point.seconds, formatSeconds),
      point.chosen ? "yes" : "",
    ]),
  );
  const about = html`<p class="note">The ${counted(tuning.length, "run")} of the tuning, with seed ${[...new Set(tuning.map(({ seed }) => seed))].join(", ")}, scored by the task’s main metric on training rows that each held out. Settings without effect on a method are left out of its points.</p>`;
  const head = ["Method", "Task", "Point", "Score", "Time", "Chosen"];
  return html`${about}${collapsedIfLong(TRIED_TITLE, rows.length, table(TRIED_TITLE, head, rows))}`;
}

const TRIED_TITLE = "Points that were tried";
