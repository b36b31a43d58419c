// What comparison.json holds, which sums up a comparison.
import type { BaselineScore, ComparedRun, RunId, VarianceEntry } from "./comparedRun.js";
import type { RowGroup, SignificanceTest } from "./comparisonTests.js";
import type { JsonObject } from "./json.js";
import type { Goal, Metrics } from "./metrics.js";

export {
  BASELINES,
  type BaselineScore,
  CONDITIONS,
  type ComparedRun,
  type RunConditions,
  type RunId,
  seedsName,
  seedsNamed,
  seedsText,
  type VarianceEntry,
} from "./comparedRun.js";

/** A metric, and which way is better. */
export interface ComparedMetric {
  readonly name: string;
  readonly goal: Goal;
  /** What it counts, if metrics of several kinds have the name: `entities` for their F1. Only equal kinds are tested together. */
  readonly kind?: string;
}

/** The rows that scores were measured on. */
export interface ScoredRows {
  readonly split: "validation" | "test";
  /** How many there are, if the runs say it. */
  readonly count?: number;
}

/** A task by the name of its folder. */
export interface ComparedTask {
  readonly name: string;
  /** The name that the user gave, if that can't be a folder's. */
  readonly title?: string;
  /** The metrics shown for it. Methods are tested by the first, the main metric. */
  readonly metrics: readonly [main: ComparedMetric, ...others: ComparedMetric[]];
  /** The rows of these metrics; missing in files of earlier versions. */
  readonly rows?: ScoredRows;
  /** Scores on other rows. They are shown, but not tested. */
  readonly beside?: { readonly rows: ScoredRows; readonly metrics: readonly ComparedMetric[] };
  /** Methods whose training was stopped by the validation rows, if scores on these rows are shown. */
  readonly chosenByRows?: readonly string[];
}

/** A run that ended without results. */
export interface FailedRun extends RunId {
  /** The message of its error. */
  readonly reason: string;
  /** The error's code, if it had one. */
  readonly code?: string;
  /** The last step that it completed. */
  readonly step?: number;
}

/**
 * A run without results that has not failed: it is running, was stopped before its last step, has not started although it was planned, or
 * is missing: it was asked for, or other methods of its task have the seed.
 */
export interface UnfinishedRun extends RunId {
  readonly state: "running" | "stopped" | "waiting" | "missing";
}

/** The runs of a comparison that have no results. */
export interface MissingRuns {
  readonly failed: readonly FailedRun[];
  readonly unfinished: readonly UnfinishedRun[];
}

/** A point that was tried for a method on a task. */
export interface TriedPoint extends RunId {
  /** The values of those tried settings that have an effect on the method. */
  readonly point: JsonObject;
  /** The main metric on the held-out rows; null if the run has no results. */
  readonly score: number | null;
  /** Wall time of the run; null if it has not begun. */
  readonly seconds: number | null;
  /** Whether the reported runs have these values. */
  readonly chosen: boolean;
  /** Of a chosen point: how many points have its score, if there are others. */
  readonly tied?: number;
  /** Why it has no score. */
  readonly reason?: string;
}

/** A run with one value of the curve's setting. It judges nothing, and is in no test. */
export interface CurveRun extends RunId {
  /** The setting with its value. */
  readonly point: JsonObject;
  /** Null if the run has no results. */
  readonly metrics: Metrics | null;
  /** Wall time of the run; null if it has not begun. */
  readonly seconds: number | null;
  /** Why it has no results, and whether because its training diverged. */
  readonly reason?: string;
  readonly diverged?: true;
}

/** A method's scores at one value of the curve's setting, over those seeds that ended at all values. */
export interface CurvePoint {
  readonly value: number;
  /** Null if a run diverged. */
  readonly mean: number | null;
  /** Of a sample (n − 1); null for a single seed. */
  readonly deviation: number | null;
  /** How many seeds diverged. */
  readonly diverged: number;
  /** The share of resamples of the seeds in which the value is the best; null for a single seed. */
  readonly best: number | null;
}

/** A method's scores over the curve's setting. */
export interface CurveSummary {
  readonly task: string;
  readonly method: string;
  readonly setting: string;
  readonly metric: ComparedMetric;
  /** The seed of each run that ended at all values; with data seeds, once for each of them. */
  readonly seeds: readonly number[];
  /** By value, from the smallest. */
  readonly points: readonly CurvePoint[];
  /** The value with the best mean; null if runs diverged at all values. */
  readonly best: number | null;
  /** By how much the mean at the best value is too good, because it was chosen by these runs; null for a single seed. */
  readonly optimism: number | null;
}

/** What a method of a comparison is. */
export interface Competitor {
  readonly name: string;
  readonly method: string;
  /** The settings that its runs were given, where all of them have the same value; without rows, model and folders. */
  readonly settings: JsonObject;
  /** The settings that its runs on different tasks were given with different values, unless all methods were given the same on each task. */
  readonly byTask?: readonly string[];
}

/** The plan that was frozen before the runs. */
export interface Frozen {
  readonly sha256: string;
  /** What differs from it, one sentence each. */
  readonly departures: readonly string[];
}

/** Two methods, in any order. */
export type MethodPair = readonly [string, string];

/** The runs that are compared. Tasks and methods are shown in this order; the order of runs does not matter. */
export interface Comparison extends Partial<MissingRuns> {
  readonly tasks: readonly ComparedTask[];
  readonly methods: readonly string[];
  /** What the methods are, if their runs say it. */
  readonly competitors?: readonly Competitor[];
  readonly runs: readonly ComparedRun[];
  /** The pairs of methods that are tested; every two if it is missing. */
  readonly pairs?: readonly MethodPair[];
  /** The tasks that share rows, each in one group at most. All other tasks have rows of their own, as far as known. */
  readonly rowGroups?: readonly RowGroup[];
  /** All points that were tried. */
  readonly tuning?: readonly TriedPoint[];
  /** The runs of the curve, and what they show. */
  readonly curve?: readonly CurveRun[];
  readonly curves?: readonly CurveSummary[];
  /** Missing in files of earlier versions. */
  readonly baselines?: readonly BaselineScore[];
  /** Of runs with data seeds. */
  readonly variance?: readonly VarianceEntry[];
  readonly frozen?: Frozen;
}

/** One metric of one method on one task, over its seeds. */
export interface SummaryEntry {
  readonly task: string;
  readonly method: string;
  readonly metric: string;
  readonly mean: number;
  /** Of a sample (n − 1); null for a single run. */
  readonly deviation: number | null;
  /** How many runs have the metric. */
  readonly n: number;
}

/** The mean over tasks of each task's main metric, for a method with all runs of all tasks. */
export interface TaskAverage {
  readonly method: string;
  readonly mean: number;
  /** Over seeds, of the mean over tasks with each seed, and of a sample (n − 1); null for a single seed. */
  readonly deviation: number | null;
  /** How many seeds all tasks have. */
  readonly n: number;
}

/** What a run had cost when it first reached a score. */
export interface Cost {
  readonly seconds: number;
  readonly step: number;
}

/** What the runs on one task had cost when they first reached a score. */
export interface ScoreReached {
  readonly task: string;
  /** The score of the task's main metric. */
  readonly target: number;
  /** The rows that were evaluated during training, if that is known. */
  readonly split?: ScoredRows["split"];
  /** One entry for each run that was evaluated; its cost is null if it never reached the score. */
  readonly runs: readonly (Omit<RunId, "task"> & { readonly cost: Cost | null })[];
}

/** The content of `comparison.json`. */
export interface ComparisonFile extends Comparison {
  readonly failed: readonly FailedRun[];
  readonly unfinished: readonly UnfinishedRun[];
  /** Missing for a comparison that is still running, as is `notes`: the sentences below the tables. */
  readonly summary?: readonly SummaryEntry[];
  /** For several tasks whose main metrics can be averaged. */
  readonly averages?: readonly TaskAverage[];
  readonly notes?: readonly string[];
  readonly tests: readonly SignificanceTest[];
  /** What each run had cost when it reached the score that `--reach` names. */
  readonly reached: readonly ScoreReached[];
  /** Budget, seeds, number of jobs and points, for readers of the results. */
  readonly conditions: Readonly<Record<string, unknown>>;
}
