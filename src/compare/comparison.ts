import { BidoraError } from "../common/errors.js";

/** What one finished run says, as it stands in `comparison.json`. */
export interface ComparedRun {
  readonly task: string;
  readonly method: string;
  readonly seed: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly trainedParameters: number;
  /** Wall time of the whole run. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** A value of a result, and which way is better. */
export interface ComparedMetric {
  readonly name: string;
  readonly goal: "maximize" | "minimize";
}

/** The rows that scores are of. */
export interface ScoredRows {
  readonly split: "validation" | "test";
  /** How many there are, where the runs say it. */
  readonly count?: number;
}

/** A task by its name in the runs. */
export interface ComparedTask {
  readonly name: string;
  /** What it was asked for by, where that can be no folder's name. */
  readonly title?: string;
  /** What is shown of it; methods are tested by the first, its main metric. */
  readonly metrics: readonly [main: ComparedMetric, ...others: ComparedMetric[]];
  /** The rows that these metrics are of; files of earlier versions do not say it. */
  readonly rows?: ScoredRows;
  /** Scores of other rows, which are shown beside these and tested nowhere. */
  readonly beside?: { readonly rows: ScoredRows; readonly metrics: readonly ComparedMetric[] };
  /** Methods whose training was stopped by the validation rows, where scores on these are shown. */
  readonly chosenByRows?: readonly string[];
}

/** Names a run. */
interface Named {
  readonly task: string;
  readonly method: string;
  readonly seed: number;
}

/** A run that ended without results, as it stands in `comparison.json`. */
export interface FailedRun extends Named {
  /** Why, in the words of its error. */
  readonly reason: string;
  /** The error's code, if it had one. */
  readonly code?: string;
  /** The last step that it did. */
  readonly step?: number;
}

/** A run without results that has not failed: it goes on, was ended before its last step, or has not begun. */
export interface UnfinishedRun extends Named {
  readonly state: "running" | "stopped" | "waiting";
}

/** The runs of a comparison that have no results; files of earlier versions do not name them. */
export interface MissingRuns {
  readonly failed: readonly FailedRun[];
  readonly unfinished: readonly UnfinishedRun[];
}

/** What is compared. Tasks and methods are shown in this order; the order of runs has no say. */
export interface Comparison extends Partial<MissingRuns> {
  readonly tasks: readonly ComparedTask[];
  readonly methods: readonly string[];
  readonly runs: readonly ComparedRun[];
}

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
