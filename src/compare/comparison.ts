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
import { bareMetric, metricRows } from "../files/metrics.js";

/**
 * Refuses what would be counted twice, or not at all.
 * @throws BidoraError `COMPARISON` for two runs of one task, method and seed, for a metric that is no finite number, for a task
 *   or method that is named twice or not at all, and for a metric that two tasks want to go different ways
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
    throw new BidoraError("COMPARISON", `Expected each ${what} once, "${twice}" is named twice.`);
  for (const name of used) {
    if (named.includes(name)) continue;
    throw new BidoraError(
      "COMPARISON",
      `Expected runs of the ${what}s ${named.join(", ")}; one of "${name}" came. Name it too, or leave that run out.`,
    );
  }
}

/** Refuses two runs of one task, method and seed, and metrics that are no finite numbers. @throws BidoraError `COMPARISON` */
export function checkRuns(runs: readonly ComparedRun[]): void {
  const seen = new Set<string>();
  for (const { task, method, seed, metrics } of runs) {
    const key = JSON.stringify([task, method, seed]);
    if (seen.has(key)) {
      throw new BidoraError(
        "COMPARISON",
        `Expected one run of "${method}" with seed ${seed} on "${task}", two came; name the tasks apart, or take one away.`,
      );
    }
    seen.add(key);
    for (const [name, value] of Object.entries(metrics)) {
      if (Number.isFinite(value)) continue;
      throw new BidoraError(
        "COMPARISON",
        `Expected a finite number as "${name}" of "${method}" with seed ${seed} on "${task}", ${value} came; leave that run out, and say so.`,
      );
    }
  }
}

function checkGoals(tasks: readonly ComparedTask[]): void {
  const goals = new Map<string, ComparedMetric["goal"]>();
  for (const { name, goal } of tasks.flatMap(({ metrics }) => metrics)) {
    if ((goals.get(name) ?? goal) !== goal) {
      throw new BidoraError(
        "COMPARISON",
        `Expected "${name}" to be better one way, it is maximized in one task and minimized in another; name the two apart.`,
      );
    }
    goals.set(name, goal);
  }
}

type WithFailed = Pick<Comparison, "failed">;

export const failedOf = ({ failed = [] }: WithFailed, task: string, method: string): readonly FailedRun[] =>
  failed.filter((run) => run.task === task && run.method === method);

/**
 * The methods none of whose runs failed on these tasks. What is left of the others is no fair sample of their seeds: the runs that went
 * well chose themselves. They are tested with nothing, and marked as best in nothing.
 */
export const methodsWithoutFailure = (
  { methods, failed = [] }: Pick<Comparison, "methods" | "failed">,
  tasks: ReadonlySet<string>,
): string[] => methods.filter((method) => !failed.some((run) => run.method === method && tasks.has(run.task)));

/** What must be said of runs without results, beside the tables. */
export function missingNotes({ runs, failed = [], unfinished = [] }: Comparison): string[] {
  const groups = [...group(failed, ({ task, method }) => JSON.stringify([task, method])).values()];
  const told = groups.map((those) => {
    const [{ task, method, seed, reason }] = those as [FailedRun, ...FailedRun[]];
    const all = those.length + runs.filter((run) => run.task === task && run.method === method).length;
    const seeds = `seed${those.length > 1 ? "s" : ""} ${those.map((run) => run.seed).join(", ")}`;
    return `${method} failed in ${those.length} of ${all} runs on ${task} (${seeds}). Seed ${seed}: ${reason}`;
  });
  return [...told, ...leftOutNote(failed), ...unfinishedNote(unfinished)];
}

function leftOutNote(failed: readonly FailedRun[]): string[] {
  if (failed.length === 0) return [];
  const methods = [...new Set(failed.map(({ method }) => method))].join(", ");
  return [
    `Methods with failed runs (${methods}) are not marked as best and are left out of the tests: the runs that succeeded are a biased sample of their seeds.`,
  ];
}

/** Runs that are named, at most. */
const NAMED = 6;
const STATES: Readonly<Record<UnfinishedRun["state"], string>> = {
  running: "still running",
  stopped: "stopped",
  waiting: "not begun",
};

function unfinishedNote(unfinished: readonly UnfinishedRun[]): string[] {
  if (unfinished.length === 0) return [];
  const named = unfinished
    .slice(0, NAMED)
    .map(({ task, method, seed, state }) => `${method} seed ${seed} on ${task} (${STATES[state]})`);
  const more = unfinished.length - named.length;
  return [`Not finished, and in no figure: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`];
}

/** Whether a metric is of these rows. Where nothing is known of the rows, it is. */
export const isOfRows = (metric: string, rows: ScoredRows | undefined): boolean =>
  rows === undefined || (metricRows(metric) === "test") === (rows.split === "test");

/** The rows in words: `test, 4,693 rows`. */
const rowsText = ({ split, count }: ScoredRows): string =>
  count === undefined ? `${split} rows` : `${split}, ${formatCount(count)} ${count === 1 ? "row" : "rows"}`;

/** What stands over the scores of a task: its name, with the rows that the scores are of. */
export const scoresHeading = (task: string, rows: ScoredRows | undefined): string =>
  rows === undefined ? task : `${task} (${rowsText(rows)})`;

/** A metric's name in a column whose heading names the rows. */
export const metricHeading = ({ name }: ComparedMetric, rows: ScoredRows | undefined): string =>
  words(rows?.split === "test" && metricRows(name) === "test" ? bareMetric(name) : name);

/** A task's main metric with the rows that it is of: `F1 (test, 4,693 rows)`. */
export const mainHeading = ({ metrics: [main], rows }: ComparedTask): string =>
  scoresHeading(metricHeading(main, rows), rows);
