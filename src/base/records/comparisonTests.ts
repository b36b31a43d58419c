// The tests of a comparison, as comparison.json has them.

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
  /** How many pairs of runs are left out since they are equal to those of another seed: it counts once. */
  readonly repeated?: number;
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
