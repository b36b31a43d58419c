// The tables of a comparison: methods by tasks, with their scores and costs.
import { BidoraError, own } from "../../base/index.js";
import {
  type BaselineScore,
  type ComparedMetric,
  type ComparedTask,
  type Comparison,
  type Goal,
  metricRows,
  type ScoredRows,
  type ScoreReached,
} from "../../base/records/index.js";
import { averagesOf, goalOfAverage } from "../statistics/averages.js";
import { baselineNotes, shownBaselines } from "../statistics/baselines.js";
import { checkComparison, metricHeading, rowsText, scoresHeading } from "../statistics/checkComparison.js";
import { competes, competitionNotes, countMissing, flawWords } from "../statistics/competing.js";
import { mean, round12, sampleDeviation } from "../statistics/summary.js";
import { conditionNotes } from "./conditionNotes.js";
import { costColumns, parametersColumn, tuningNotes } from "./costColumns.js";
import { NOTHING, plain, type ResultCell, type ResultColumn, type ResultTable } from "./renderTable.js";

/**
 * The tables of a comparison, methods by columns, the best of each column marked; unknown values are "–". For one task a single table of
 * scores and costs; for several one of main metrics with their average and the trained parameters, then a table of each task.
 * @throws BidoraError `COMPARISON` as `checkComparison`, and for a target score of a task or method that is not compared
 */
export function comparisonTables(comparison: Comparison, reached: readonly ScoreReached[] = []): ResultTable[] {
  checkComparison(comparison);
  checkReached(comparison, reached);
  const { tasks } = comparison;
  const counts = seedCounts(comparison);
  const usual = Math.max(0, ...counts);
  const notes = [
    ...seedsNote(usual, counts, comparison),
    ...competitionNotes(comparison),
    ...baselineNotes(comparison),
    ...rowsNotes(tasks),
    ...frozenNotes(comparison),
  ];
  const costNotes = [...(usual > 1 ? ["Time and memory are means over seeds."] : []), ...tuningNotes(comparison)];
  const conditions = conditionNotes(comparison);
  const ofTasks = tasks.map((task, i) => {
    const goal = reached.find((one) => one.task === task.name);
    const columns = [...scoreColumns(comparison, task, usual), ...costColumns(comparison, task, goal)];
    return tableOf(comparison, columns, i === tasks.length - 1 ? costNotes : []);
  });
  if (tasks.length > 1) return [mainTable(comparison, usual, [...notes, ...conditions]), ...ofTasks];
  return [tableOf(comparison, ofTasks[0]?.columns ?? [], [...notes, ...costNotes, ...conditions])];
}

/** The baselines stand apart, below the methods. */
function tableOf(comparison: Comparison, columns: readonly ResultColumn[], notes: readonly string[]): ResultTable {
  const apart = shownBaselines(comparison);
  const names = [...comparison.methods, ...apart];
  return {
    heading: "Method",
    names,
    ...(apart.length > 0 && { apart: apart.length }),
    columns: columns.map((column) => filledTo(names.length, column)),
    notes,
  };
}

/** The main metric of each task, their average, and the trained parameters. */
function mainTable(comparison: Comparison, usual: number, notes: readonly string[]): ResultTable {
  const { tasks, methods, runs } = comparison;
  const scores = tasks.map((task) => scoreColumn(comparison, task.name, task.metrics[0], task.rows, usual));
  const average = averageColumn(comparison, usual);
  const columns = [...scores.map((column, i) => ({ ...column, group: tasks[i]!.name })), ...average];
  const rows = tasks.flatMap(({ name, rows }) => (rows ? [`${name} ${rowsText(rows)}`] : []));
  return tableOf(
    comparison,
    [...columns, parametersColumn(methods, runs)],
    [...(average.length > 0 ? [AVERAGE] : []), ...(rows.length > 0 ? [`Rows: ${rows.join("; ")}.`] : []), ...notes],
  );
}

const AVERAGE =
  "Average: the mean over tasks of their main metrics, for methods with all runs of all tasks; ± is the deviation over seeds of that mean with each seed.";

function averageColumn(comparison: Comparison, usual: number): ResultColumn[] {
  const goal = goalOfAverage(comparison);
  if (goal === undefined) return [];
  const averages = averagesOf(comparison);
  const scores = comparison.methods.map((method): Score => {
    const found = averages.find((one) => one.method === method);
    const competing = comparison.tasks.every(({ name }) => competes(comparison, name, method));
    return { deviation: null, n: 0, ...found, failed: 0, missing: 0, flaws: [], competes: competing };
  });
  const cells = cellsOf(scores, goal, usual, decimalsFor(meansOf(scores)));
  return [{ group: "", title: goalTitle("Average", goal), align: "right", cells }];
}

/** A column with a cell for each row of its table: baselines cost nothing. */
const filledTo = (rows: number, column: ResultColumn): ResultColumn => ({
  ...column,
  cells: Array.from({ length: rows }, (_, row) => column.cells[row] ?? plain(NOTHING)),
});

function checkReached({ tasks, methods }: Comparison, reached: readonly ScoreReached[]): void {
  for (const { task, runs } of reached) {
    const stray = tasks.some(({ name }) => name === task)
      ? runs.find(({ method }) => !methods.includes(method))?.method
      : task;
    if (stray === undefined) continue;
    throw new BidoraError(
      "COMPARISON",
      `Expected target scores of compared tasks and methods only, got one of "${stray}"; add it to the comparison.`,
    );
  }
}

function rowsNotes(tasks: readonly ComparedTask[]): string[] {
  const beside =
    "Methods are compared and tested on the test rows; scores on the validation rows are shown next to them.";
  const chosen = tasks.flatMap(({ name, chosenByRows = [] }) =>
    chosenByRows.length === 0
      ? []
      : [
          `On ${name}, early stopping of ${chosenByRows.join(", ")} used the validation rows, which makes their scores on these rows too good.`,
        ],
  );
  return [...(tasks.some((task) => task.beside) ? [beside] : []), ...chosen];
}

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

/** The scores of a method's runs on a task; no mean for no scores. */
interface Score {
  readonly mean?: number;
  readonly deviation: number | null;
  readonly n: number;
  /** The numbers of runs that failed, and that have no score for another reason. */
  readonly failed: number;
  readonly missing: number;
  /** Why it says nothing about the method. */
  readonly flaws: readonly string[];
  readonly competes: boolean;
}

/**
 * One column for each of a task's metrics: means ± sample deviations over seeds, with n if it is not the usual number or runs have no score, and
 * with the reasons why they say nothing about the method. Then the scores on other rows, which are only shown: none is marked as best.
 */
function scoreColumns(comparison: Comparison, task: ComparedTask, usualSeeds: number): ResultColumn[] {
  const { name, metrics, rows, beside } = task;
  const columnsOn = (some: readonly ComparedMetric[], of: ScoredRows | undefined): ResultColumn[] =>
    some.map((metric) => scoreColumn(comparison, name, metric, of, usualSeeds));
  const shown = beside ? columnsOn(beside.metrics, beside.rows).map(unmarked) : [];
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
    const value = baselineScore(comparison, { task, baseline, metric: metric.name });
    return plain(value === undefined ? NOTHING : figure(value, decimals));
  });
  const cells = [...cellsOf(scores, metric.goal, usualSeeds, decimals), ...below];
  return { group: scoresHeading(task, rows), title, align: "right", cells };
}

const goalTitle = (title: string, goal: Goal): string => (goal === "minimize" ? `${title} ↓` : title);

const unmarked = (column: ResultColumn): ResultColumn => ({
  ...column,
  cells: column.cells.map(({ text }) => plain(text)),
});

/** The number of runs behind each score of the table. */
const seedCounts = (comparison: Comparison): number[] =>
  comparison.tasks.flatMap(({ name, metrics }) =>
    comparison.methods.flatMap((method) =>
      metrics.map((metric) => scoreOf(comparison, name, method, metric.name).n).filter((n) => n > 0),
    ),
  );

function scoreOf(comparison: Comparison, task: string, method: string, metric: string): Score {
  const runs = comparison.runs.filter(
    (run) => run.task === task && run.method === method && own(run.metrics, metric) !== undefined,
  );
  const values = runs.flatMap(({ metrics }) => own(metrics, metric) ?? []);
  const facts = {
    ...countMissing(comparison, task, method),
    n: runs.length,
    flaws: flawWords(runs, metricRows(metric)),
    competes: competes(comparison, task, method),
  };
  return runs.length === 0
    ? { deviation: null, ...facts }
    : { mean: mean(values), deviation: sampleDeviation(values), ...facts };
}

const baselineScore = (
  { baselines = [] }: Comparison,
  { task, baseline, metric }: Omit<BaselineScore, "value">,
): number | undefined =>
  baselines.find((known) => known.task === task && known.baseline === baseline && known.metric === metric)?.value;

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

const meansOf = (scores: readonly Score[]): number[] =>
  scores.flatMap(({ mean }) => (mean === undefined ? [] : round12(mean)));

function noScoreText({ failed, missing }: Score): string {
  const all = failed + missing;
  const parts = [...(failed > 0 ? [`failed ${failed}`] : []), ...(missing > 0 ? [`missing ${missing}`] : [])];
  return all === 0 ? NOTHING : `${parts.join(", ")} of ${all}`;
}

function seedsText({ n, failed, missing, flaws }: Score, usualSeeds: number): string {
  const all = n + failed + missing;
  const parts = [
    ...(all > n ? [`n = ${n} of ${all}`] : n === usualSeeds ? [] : [`n = ${n}`]),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...flaws,
  ];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** The decimals with which the largest value shows four significant digits; four for values from 1 to 10. */
function decimalsFor(values: readonly number[]): number {
  const largest = Math.max(...values.map(Math.abs));
  if (!(largest > 0)) return 4;
  const magnitude = Math.floor(Math.log10(largest));
  return magnitude === 0 ? 4 : Math.min(12, Math.max(0, 3 - magnitude));
}

/** A number with a typographic minus, and no minus before zero. */
function figure(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return text.startsWith("-") && Number(text) !== 0 ? text.replace("-", "−") : text.replace("-", "");
}
