// Checks of a comparison, and headings that say which rows a score is of.
import { BidoraError, formatCount, words } from "../../base/index.js";
import {
  bareMetric,
  type ComparedMetric,
  type ComparedRun,
  type ComparedTask,
  type Comparison,
  type Goal,
  metricRows,
  type ScoredRows,
  seedsText,
} from "../../base/records/index.js";

/**
 * Checks a comparison for runs that would count twice or not at all.
 * @throws BidoraError `COMPARISON` for two runs of one task, method and seeds, for a metric that is not a finite number, for a task
 *   or method that is listed twice or missing from the list, and for a metric with different goals in two tasks
 */
export function checkComparison({ tasks, methods, runs, failed = [] }: Comparison): void {
  checkRuns(runs);
  checkGoals(tasks);
  const names = tasks.map(({ name }) => name);
  checkNames("task", names, new Set(runs.map(({ task }) => task)));
  checkNames("method", methods, new Set([...runs, ...failed].map(({ method }) => method)));
}

function checkNames(what: string, named: readonly string[], used: ReadonlySet<string>): void {
  const twice = named.find((name, place) => named.indexOf(name) !== place);
  if (twice !== undefined)
    throw new BidoraError("COMPARISON", `Expected each ${what} once, but "${twice}" is named twice.`);
  for (const name of used) {
    if (named.includes(name)) continue;
    throw new BidoraError(
      "COMPARISON",
      `Expected runs of the ${what}s ${named.join(", ")}, got one of "${name}". Name it too, or leave that run out.`,
    );
  }
}

/** @throws BidoraError `COMPARISON` for two runs of one task, method and seeds, and for a metric that is not a finite number */
export function checkRuns(runs: readonly ComparedRun[]): void {
  const seen = new Set<string>();
  for (const { task, method, metrics, ...run } of runs) {
    const seeds = seedsText(run);
    const key = JSON.stringify([task, method, seeds]);
    if (seen.has(key)) {
      throw new BidoraError(
        "COMPARISON",
        `Expected one run of "${method}" with ${seeds} on "${task}", got two; rename a task, or remove one of the runs.`,
      );
    }
    seen.add(key);
    for (const [name, value] of Object.entries(metrics)) {
      if (Number.isFinite(value)) continue;
      throw new BidoraError(
        "COMPARISON",
        `Expected a finite number as "${name}" of "${method}" with ${seeds} on "${task}", got ${value}; leave that run out, and report it.`,
      );
    }
  }
}

function checkGoals(tasks: readonly ComparedTask[]): void {
  const goals = new Map<string, Goal>();
  for (const { name, goal } of tasks.flatMap(({ metrics }) => metrics)) {
    if ((goals.get(name) ?? goal) !== goal) {
      throw new BidoraError(
        "COMPARISON",
        `Expected one goal for "${name}", but it is maximized in one task and minimized in another; give the two different names.`,
      );
    }
    goals.set(name, goal);
  }
}

/** Whether a metric was measured on these rows; true if the rows are unknown. */
export const isOfRows = (metric: string, rows: ScoredRows | undefined): boolean =>
  rows === undefined || (metricRows(metric) === "test") === (rows.split === "test");

/** The rows in words: `test, 4,693 rows`. */
export const rowsText = ({ split, count }: ScoredRows): string =>
  count === undefined ? `${split} rows` : `${split}, ${formatCount(count)} ${count === 1 ? "row" : "rows"}`;

/** The heading of a task's scores: its name, and the rows that the scores are of. */
export const scoresHeading = (task: string, rows: ScoredRows | undefined): string =>
  rows === undefined ? task : `${task} (${rowsText(rows)})`;

/** A metric's name for a column whose heading names the rows: without the rows' prefix. */
export const metricHeading = ({ name }: ComparedMetric, rows: ScoredRows | undefined): string =>
  words(rows?.split === "test" && metricRows(name) === "test" ? bareMetric(name) : name);

/** A task's main metric and its rows: `F1 (test, 4,693 rows)`. */
export const mainHeading = ({ metrics: [main], rows }: ComparedTask): string =>
  scoresHeading(metricHeading(main, rows), rows);
