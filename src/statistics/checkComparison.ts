/** Checks of a comparison, its missing runs, and headings that say which rows a score is of. */
import { group } from "d3-array";
import { BidoraError } from "../common/errors.js";
import { formatCount, words } from "../common/format.js";
import type {
  ComparedMetric,
  ComparedRun,
  ComparedTask,
  Comparison,
  FailedRun,
  ScoredRows,
  UnfinishedRun,
} from "../files/comparison.js";
import { bareMetric, type Goal, metricRows } from "../files/metrics.js";

/**
 * Checks a comparison for runs that would count twice or not at all.
 * @throws BidoraError `COMPARISON` for two runs of one task, method and seed, for a metric that is not a finite number, for a task
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

/** @throws BidoraError `COMPARISON` for two runs of one task, method and seed, and for a metric that is not a finite number */
export function checkRuns(runs: readonly ComparedRun[]): void {
  const seen = new Set<string>();
  for (const { task, method, seed, metrics } of runs) {
    const key = JSON.stringify([task, method, seed]);
    if (seen.has(key)) {
      throw new BidoraError(
        "COMPARISON",
        `Expected one run of "${method}" with seed ${seed} on "${task}", got two; rename a task, or remove one of the runs.`,
      );
    }
    seen.add(key);
    for (const [name, value] of Object.entries(metrics)) {
      if (Number.isFinite(value)) continue;
      throw new BidoraError(
        "COMPARISON",
        `Expected a finite number as "${name}" of "${method}" with seed ${seed} on "${task}", got ${value}; leave that run out, and report it.`,
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

type WithFailed = Pick<Comparison, "failed">;

/** The failed runs of a method on a task. */
export const failedOf = ({ failed = [] }: WithFailed, task: string, method: string): readonly FailedRun[] =>
  failed.filter((run) => run.task === task && run.method === method);

/**
 * The methods without a failed run on these tasks. The remaining runs of the others are a biased sample of their seeds, so these methods
 * are neither tested nor marked as best.
 */
export const methodsWithoutFailure = (
  { methods, failed = [] }: Pick<Comparison, "methods" | "failed">,
  tasks: ReadonlySet<string>,
): string[] => methods.filter((method) => !failed.some((run) => run.method === method && tasks.has(run.task)));

/** Notes on runs without results, to print below the tables. */
export function missingNotes({ runs, failed = [], unfinished = [] }: Comparison): string[] {
  const groups = [...group(failed, ({ task, method }) => JSON.stringify([task, method])).values()];
  const failures = groups.map((those) => {
    const [{ task, method, seed, reason }] = those as [FailedRun, ...FailedRun[]];
    const all = those.length + runs.filter((run) => run.task === task && run.method === method).length;
    const seeds = `seed${those.length > 1 ? "s" : ""} ${those.map((run) => run.seed).join(", ")}`;
    return `${method} failed in ${those.length} of ${all} runs on ${task} (${seeds}). Seed ${seed}: ${reason}`;
  });
  return [...failures, ...leftOutNote(failed), ...unfinishedNote(unfinished)];
}

function leftOutNote(failed: readonly FailedRun[]): string[] {
  if (failed.length === 0) return [];
  const methods = [...new Set(failed.map(({ method }) => method))].join(", ");
  return [
    `Methods with failed runs (${methods}) are not marked as best and are left out of the tests: the runs that succeeded are a biased sample of their seeds.`,
  ];
}

/** At most this many unfinished runs are named. */
const NAMED = 6;
const STATES: Readonly<Record<UnfinishedRun["state"], string>> = {
  running: "still running",
  stopped: "stopped",
  waiting: "not started",
};

function unfinishedNote(unfinished: readonly UnfinishedRun[]): string[] {
  if (unfinished.length === 0) return [];
  const named = unfinished
    .slice(0, NAMED)
    .map(({ task, method, seed, state }) => `${method} seed ${seed} on ${task} (${STATES[state]})`);
  const more = unfinished.length - named.length;
  return [`Not finished, and not included: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`];
}

/** Whether a metric was measured on these rows; true if the rows are unknown. */
export const isOfRows = (metric: string, rows: ScoredRows | undefined): boolean =>
  rows === undefined || (metricRows(metric) === "test") === (rows.split === "test");

/** The rows in words: `test, 4,693 rows`. */
const rowsText = ({ split, count }: ScoredRows): string =>
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
