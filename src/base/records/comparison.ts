// What comparison.json holds, which sums up a comparison.
import type { BaselineScore, ComparedRun, RunId, VarianceEntry } from "./comparedRun.js";
import type { JsonObject } from "./json.js";
import type { Goal } from "./metrics.js";

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

/** What tasks can have in common: rows that are trained on, that scores are of, or both in different tasks; or files. */
export type SharedRows = "training rows" | "evaluated rows" | "rows that one trains on and another evaluates" | "files";

/** Tasks that share rows. Their scores are not independent, however many tasks they are. */
export interface RowGroup {
  /** At least two. */
  readonly tasks: readonly string[];
  readonly share: readonly SharedRows[];
}

/** Tasks that count as one in a test. */
export interface JoinedTasks extends RowGroup {
  /** Those of them whose runs are equal to the runs of a task before: they are left out. */
  readonly repeated?: readonly string[];
}

/** A point of the grid that was tried for a method on a task. */
export interface TriedPoint extends RunId {
  /** The values of those settings of the grid that have an effect on the method. */
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

/** The plan that was frozen before the runs. */
export interface Frozen {
  readonly sha256: string;
  /** What differs from it, one sentence each. */
  readonly departures: readonly string[];
}

/** The runs that are compared. Tasks and methods are shown in this order; the order of runs does not matter. */
export interface Comparison extends Partial<MissingRuns> {
  readonly tasks: readonly ComparedTask[];
  readonly methods: readonly string[];
  readonly runs: readonly ComparedRun[];
  /** The tasks that share rows, each in one group at most. All other tasks have rows of their own, as far as known. */
  readonly rowGroups?: readonly RowGroup[];
  /** All points of the grid that were tried. */
  readonly tuning?: readonly TriedPoint[];
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

/** The effect sizes of paired samples a and b, over the differences a − b. A value that does not exist is null. */
export interface PairedEffect {
  /** In the unit of the scores. */
  readonly meanDifference: number;
  /** Of the mean difference: the sample deviation of the differences over √n; null for one pair. */
  readonly standardError: number | null;
  /** Cohen's d_z: the mean difference over the sample deviation of the differences; null if that is 0 or does not exist. */
  readonly cohensDz: number | null;
  /**
   * The matched-pairs rank-biserial correlation, (W+ − W−) / (W+ + W−): 1 if a is above b in every pair that differs, −1
   * if it is below in every such pair, 0 if no pair differs.
   */
  readonly rankBiserial: number;
}

/** The population that a test samples from. Its p-value says nothing about any other. */
export type Population =
  | "seeds of this task"
  | "seeds of these tasks"
  | "tasks"
  | "rows of this task"
  | "seeds and rows of this task";

interface Tested {
  readonly a: string;
  readonly b: string;
  readonly metric: string;
  readonly population: Population;
  /** How many pairs there are: of runs, of tasks or of rows. Tasks that share rows have one pair for each seed, or count as one task. */
  readonly pairs: number;
  /** In how many of the pairs the two methods differ. */
  readonly differing: number;
  /** How many runs (or tasks) of a and b were left out, because they have no partner or lack the metric. */
  readonly unmatched: number;
  /** The tested task; absent for a test over several tasks. */
  readonly task?: string;
}

interface WithP extends Tested {
  readonly p: number;
  /** p corrected within the entries of one test, one metric and one task; of `two-level`, over all entries of the comparison. */
  readonly pHolm: number;
}

/**
 * Wilcoxon's signed-rank test. `wilcoxon`: over pairs of runs on the same task with the same seed; tasks that share rows give one pair for
 * each seed, the means of their runs. `wilcoxon-tasks`: over tasks, by the means of those runs.
 */
export interface WilcoxonTest extends WithP {
  readonly test: "wilcoxon" | "wilcoxon-tasks";
  /** The tasks of a test over several tasks, if these are not all of them. */
  readonly tasks?: readonly string[];
  /** What the metric counts, as in `ComparedMetric`. */
  readonly kind?: string;
  /** How many pairs are left out since their runs are equal to those of another seed: it counts once. */
  readonly repeated?: number;
  /** The tasks of the test whose pairs are joined. */
  readonly joined?: readonly JoinedTasks[];
  /** min(W+, W−) */
  readonly statistic: number;
  /** How much better a is than b: positive where it is better, also for metrics where lower is better. */
  readonly effect: PairedEffect;
}

/** What tests over resampled rows have in common. Their pairs are the rows that both methods have predicted. */
interface Resamples {
  /** The ends of the interval of the difference. */
  readonly low: number;
  readonly high: number;
  /** Of the interval: 0.95, or 0.9 for equivalence. */
  readonly confidence: number;
  /** How often the rows were resampled. */
  readonly resamples: number;
}

/** The paired bootstrap over rows that both methods have predicted. */
export interface BootstrapTest extends WithP, Resamples {
  readonly test: "bootstrap";
  /** How much better a is than b, in an interval from `low` to `high`: the difference of the metric, negated where lower is better. */
  readonly statistic: number;
  /** The Monte Carlo standard error of p, which depends on the resamples. */
  readonly pStandardError: number;
}

/** What tests over seeds and rows have in common. */
interface OverSeedsAndRows extends Resamples {
  readonly task: string;
  /** How many seeds both methods have. */
  readonly seeds: number;
  /** How much better a is than b: the mean over seeds of the differences of the metric, negated where lower is better. */
  readonly difference: number;
}

/** The bootstrap over the seeds and the rows of a task. */
export interface TwoLevelTest extends WithP, OverSeedsAndRows {
  readonly test: "two-level";
  readonly task: string;
  /** The Monte Carlo standard error of p, which depends on the resamples. */
  readonly pStandardError: number;
}

/** Whether two methods differ by less than a margin, by the resamples of the bootstrap over seeds and rows. */
export interface EquivalenceTest extends Tested, OverSeedsAndRows {
  readonly test: "equivalence";
  readonly task: string;
  /** What `--margin` gave, in the unit of the metric. */
  readonly margin: number;
  /** Whether both ends of the interval are strictly within ± the margin. */
  readonly equivalent: boolean;
}

/** A test of two methods over the rows of a task. */
export type RowTest = TwoLevelTest | EquivalenceTest | BootstrapTest;

/** One test of two methods. */
export type SignificanceTest = WilcoxonTest | RowTest;

export const isWilcoxon = (test: SignificanceTest): test is WilcoxonTest =>
  test.test === "wilcoxon" || test.test === "wilcoxon-tasks";

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
  readonly notes?: readonly string[];
  readonly tests: readonly SignificanceTest[];
  /** What each run had cost when it reached the score that `--reach` names. */
  readonly reached: readonly ScoreReached[];
  /** Budget, seeds, number of jobs and grid, for readers of the results. */
  readonly conditions: Readonly<Record<string, unknown>>;
}
