// The report of a comparison.
import { formatNumber, formatSeconds, own, words } from "../../base/index.js";
import {
  type ComparedTask,
  type Comparison,
  type ComparisonLog,
  seedsText,
  type TriedPoint,
} from "../../base/records/index.js";
import { comparisonTables } from "../tables/comparisonTables.js";
import { pointText } from "../tables/costColumns.js";
import { headline } from "../tables/headline.js";
import { plainColumns } from "../tables/renderTable.js";
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
  comparedTable,
  counted,
  factList,
  formatted,
  html,
  type Markup,
  NOTHING,
  section,
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
  const [result, ...scores] = scoreParts(found, live !== undefined);
  const all = subjectsOf();
  const started = all.filter((subject) => subject.runs.length > 0);
  return renderPage({
    title: `${name} – comparison`,
    heading: `Comparison ${name}`,
    about: aboutOf(found, runs),
    content: [
      result,
      missingAlert(found),
      ...runs.map(alertOf),
      ...scores,
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

/** What is shown in a sentence, scores and costs, the differences of the methods, and their tests. */
export function scoreParts(found: ComparisonLog, isLive = false): (Markup | undefined)[] {
  const { tests } = found;
  const tables = comparisonTables(found satisfies Comparison, found.reached).map((table) =>
    comparedTable(table, table.title ?? "Scores of each method"),
  );
  const significance =
    tests.length > 0 ? comparedTable(significanceTable(tests), "Tests of each pair of methods") : undefined;
  return [
    // a comparison that still runs is not tested over seeds and rows
    isLive ? undefined : section("result", "Result", [html`<p>${headline(found, tests)}</p>`]),
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

/** The conditions of a comparison, and the points that were tried and chosen. */
function conditionsSection({ conditions, methods, tasks, runs, tuning = [] }: ComparisonLog): Markup {
  const { budget, grid: _grid, tune: _tune, curve: _curve, ...shown } = conditions;
  const facts = [
    ["Methods", methods.join(", ")],
    ["Tasks", tasks.map(({ name }) => name).join(", ")],
    ["Runs", String(runs.length)],
    ["Budget of each run", budgetText(budget)],
    ...Object.entries(shown).map(([key, value]) => [words(key), conditionText(value)] as const),
  ] as const;
  return section("conditions", "Conditions", [factList(facts), tuning.length > 0 ? triedTable(tuning) : undefined]);
}

function budgetText(budget: unknown): string {
  const isSet = typeof budget === "object" && budget !== null && "amount" in budget && "of" in budget;
  return isSet ? `${budget.amount} ${budget.of}` : "as in its settings";
}

function conditionText(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? value.join(", ") : JSON.stringify(value);
}

/** Every point that was tried, with its score and its time. */
function triedTable(tuning: readonly TriedPoint[]): Markup {
  const column = plainColumns(tuning);
  const table = {
    heading: "Method",
    names: tuning.map(({ method }) => method),
    columns: [
      column("Task", ({ task }) => task),
      column("Point", pointText),
      column("Score", ({ score, reason }) => (score === null ? (reason ?? NOTHING) : formatNumber(score))),
      column("Time", ({ seconds }) => formatted(seconds, formatSeconds)),
      column("Chosen", ({ chosen, tied }) => (chosen ? `yes${tied ? `, of ${tied} with this score` : ""}` : "")),
    ],
    notes: [
      `The ${counted(tuning.length, "run")} of the tuning, with seed ${[...new Set(tuning.map(({ seed }) => seed))].join(", ")}, scored by the task’s main metric on training rows that each held out. Settings without effect on a method are left out of its points.`,
    ],
  };
  return comparedTable(table, "Points that were tried");
}
