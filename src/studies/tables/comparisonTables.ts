// The tables of a comparison: methods by tasks, with their scores and costs.
import type {
  BaselineScore,
  ComparedMetric,
  ComparedTask,
  Comparison,
  Goal,
  ScoredRows,
  ScoreReached,
} from "../../base/records/index.js";
import { goalOfAverage } from "../statistics/averages.js";
import { baselineNotes, shownBaselines } from "../statistics/baselines.js";
import { checkRuns, metricHeading, scoresHeading } from "../statistics/checkComparison.js";
import { byPair, competitionNotes } from "../statistics/competing.js";
import { round12 } from "../statistics/summary.js";
import { conditionNotes } from "./conditionNotes.js";
import { costColumns, parametersColumn, tuningNotes } from "./costColumns.js";
import { NOTHING, plain, type ResultCell, type ResultColumn, type ResultTable } from "./renderTable.js";
import { averageScores, decimalsFor, figure, meansOf, noScoreText, type Score, scoreOf, seedsText } from "./scores.js";

/**
 * The tables of a comparison, methods by columns, the best of each column marked; unknown values are "–". For one task a single table of
 * scores and costs; for several one of main metrics with their average and the trained parameters, then a table of each task.
 * @throws BidoraError `COMPARISON` as `checkRuns`
 */
export function comparisonTables(comparison: Comparison, reached: readonly ScoreReached[] = []): ResultTable[] {
  const { tasks, runs } = comparison;
  checkRuns(runs);
  const counts = byPair(runs).map(({ length }) => length);
  const usual = Math.max(0, ...counts);
  // the most important first
  const notes = [
    ...seedsNote(usual, counts, comparison),
    ...competitionNotes(comparison),
    ...baselineNotes(comparison),
    ...tuningNotes(comparison),
    ...rowsNotes(tasks),
    ...frozenNotes(comparison),
    ...(usual > 1 ? ["Time and memory are means over seeds."] : []),
    ...conditionNotes(comparison),
  ];
  const ofTasks = tasks.map((task) => {
    const goal = reached.find((one) => one.task === task.name);
    const columns = [...scoreColumns(comparison, task, usual), ...costColumns(comparison, task, goal)];
    return { title: scoresHeading(task.name, task.rows), ...tableOf(comparison, columns) };
  });
  const [first, ...others] = tasks.length > 1 ? [mainTable(comparison, usual), ...ofTasks] : ofTasks;
  const only = first ?? tableOf(comparison, []);
  return [{ ...only, notes: [...only.notes, ...notes] }, ...others];
}

/** The baselines stand apart, below the methods. */
function tableOf(comparison: Comparison, columns: readonly ResultColumn[]): ResultTable {
  const apart = shownBaselines(comparison);
  const names = [...comparison.methods, ...apart];
  return {
    heading: "Method",
    names,
    ...(apart.length > 0 && { apart: apart.length }),
    columns: columns.map(({ cells, ...column }) => ({
      ...column,
      // baselines cost nothing
      cells: names.map((_, row) => cells[row] ?? plain(NOTHING)),
    })),
    notes: [],
  };
}

/** The main metric of each task, their average, and the trained parameters. */
function mainTable(comparison: Comparison, usual: number): ResultTable {
  const { tasks, methods, runs } = comparison;
  const scores = tasks.map(({ name, metrics: [main], rows }) => {
    const column = scoreColumn(comparison, name, main, rows, usual);
    return { ...column, title: `${name}: ${column.title}` };
  });
  const average = averageColumn(comparison, usual);
  const columns = [...scores, ...average, parametersColumn(methods, runs)];
  return { ...tableOf(comparison, columns), notes: average.length > 0 ? [AVERAGE] : [] };
}

const AVERAGE =
  "Average: the mean over tasks of their main metrics, for methods with all runs of all tasks; ± is the deviation over seeds of that mean with each seed.";

function averageColumn(comparison: Comparison, usual: number): ResultColumn[] {
  const goal = goalOfAverage(comparison);
  if (goal === undefined) return [];
  const averages = averageScores(comparison);
  const none: Score = { deviation: null, n: 0, failed: 0, missing: 0, flaws: [], competes: false };
  const scores = comparison.methods.map((method) => averages.find((one) => one.method === method) ?? none);
  const cells = cellsOf(scores, goal, usual, decimalsFor(meansOf(scores)));
  return [{ title: goalTitle("Average", goal), align: "right", cells }];
}

const rowsNotes = (tasks: readonly ComparedTask[]): string[] =>
  tasks
    .filter(({ chosenByRows = [] }) => chosenByRows.length > 0)
    .map(
      ({ name, chosenByRows }) =>
        `On ${name}, early stopping of ${chosenByRows!.join(", ")} used the validation rows, which makes their scores on these rows too good.`,
    );

/** The hash of the frozen plan, and what departs from it. */
function frozenNotes({ frozen }: Comparison): string[] {
  if (!frozen) return [];
  const { sha256, departures } = frozen;
  const what = departures.length === 0 ? "Nothing departs from it." : `Departures: ${departures.join(" ")}`;
  return [`The plan was frozen with the SHA-256 hash ${sha256}. ${what}`];
}

function seedsNote(usual: number, counts: readonly number[], { runs }: Comparison): string[] {
  if (usual === 0) return [];
  if (usual === 1) return ["One run each: differences between them may be due to chance."];
  const differs = counts.some((count) => count !== usual);
  const isCrossed = runs.some(({ dataSeed }) => dataSeed !== undefined);
  const over = isCrossed ? "runs, each with a seed and a data seed" : "seeds";
  return [`Mean ± sample standard deviation over ${usual} ${over}${differs ? ", unless n is given" : ""}.`];
}

/**
 * One column for each of a task's metrics: means ± sample deviations over seeds, with n if it is not the usual number or runs have no score, and
 * with the reasons why they say nothing about the method. Then the scores on other rows, which are only shown: none is marked as best.
 */
function scoreColumns(comparison: Comparison, task: ComparedTask, usualSeeds: number): ResultColumn[] {
  const { name, metrics, rows, beside } = task;
  const columnsOn = (some: readonly ComparedMetric[], of: ScoredRows | undefined): ResultColumn[] =>
    some.map((metric) => scoreColumn(comparison, name, metric, of, usualSeeds));
  const shown = beside ? columnsOn(beside.metrics, beside.rows).map((column) => asMinor(column, beside.rows)) : [];
  return [...columnsOn(metrics, rows), ...shown];
}

function scoreColumn(
  comparison: Comparison,
  task: string,
  metric: ComparedMetric,
  rows: ScoredRows | undefined,
  usualSeeds: number,
): ResultColumn {
  const scores = comparison.methods.map((method) => scoreOf(comparison, task, method, metric.name));
  const title = goalTitle(metricHeading(metric, rows), metric.goal);
  const decimals = decimalsFor(meansOf(scores));
  const below = shownBaselines(comparison).map((baseline) => {
    const isOwn = (one: BaselineScore) => one.task === task && one.baseline === baseline && one.metric === metric.name;
    const found = comparison.baselines?.find(isOwn);
    return plain(found ? figure(found.value, decimals) : NOTHING);
  });
  const cells = [...cellsOf(scores, metric.goal, usualSeeds, decimals), ...below];
  return { title, align: "right", cells };
}

const goalTitle = (title: string, goal: Goal): string => (goal === "minimize" ? `${title} ↓` : title);

const asMinor = ({ title, ...column }: ResultColumn, rows: ScoredRows): ResultColumn => ({
  ...{ ...column, title: scoresHeading(title, rows), isMinor: true },
  cells: column.cells.map(({ text }) => plain(text)),
});

function cellsOf(scores: readonly Score[], goal: Goal, usualSeeds: number, decimals: number): ResultCell[] {
  const sound = meansOf(scores.filter(({ competes }) => competes));
  const best = goal === "maximize" ? Math.max(...sound) : Math.min(...sound);
  return scores.map((score) => {
    const { mean, deviation, competes } = score;
    if (mean === undefined) return plain(noScoreText(score));
    const spread = deviation === null ? "" : ` ± ${figure(deviation, decimals)}`;
    // A single method is not marked as best.
    const isBest = competes && sound.length > 1 && round12(mean) === best;
    return { text: `${figure(mean, decimals)}${spread}${seedsText(score, usualSeeds)}`, best: isBest };
  });
}
