import type { Interval } from "../metrics/bootstrap.js";
import type { PairedEffect } from "./effectSize.js";

/** One test of two methods, as it stands in `comparison.json`. */
export type SignificanceTest = WilcoxonTest | BootstrapTest;

/** What a test draws a sample of, and so what its p-value speaks of: of nothing else. */
export type Population = "seeds of this task" | "seeds of these tasks" | "tasks" | "rows of this task";

interface Tested {
  readonly a: string;
  readonly b: string;
  readonly metric: string;
  readonly population: Population;
  /** How many pairs there are: of runs, of tasks or of rows. */
  readonly pairs: number;
  /** In how many of the pairs the two differ: the others tell nothing. */
  readonly differing: number;
  /** How many runs (or tasks) of a and b, on tasks that have the metric, have no partner or lack the metric, and are left out. */
  readonly unmatched: number;
  readonly p: number;
  /** p corrected within the entries of one test, one metric and one task. */
  readonly pHolm: number;
  /** The task that it is about; without one, several tasks are. */
  readonly task?: string;
}

/**
 * Wilcoxon's signed-rank test: `wilcoxon` over pairs of runs, on the same task with the same seed; `wilcoxon-tasks` over tasks, of the
 * means of those runs.
 */
export interface WilcoxonTest extends Tested {
  readonly test: "wilcoxon" | "wilcoxon-tasks";
  /** Of a test over several tasks, which ones, where these are not all of them. */
  readonly tasks?: readonly string[];
  /** min(W+, W−) */
  readonly statistic: number;
  /** How much better a is than b: positive where it is better, also for metrics of which less is better. */
  readonly effect: PairedEffect;
}

/** The paired bootstrap over rows that both methods have predicted. */
export interface BootstrapTest extends Tested, Interval {
  readonly test: "bootstrap";
  /** The metric of a less that of b, in an interval from `low` to `high`. */
  readonly statistic: number;
  /** How often the rows were drawn anew. */
  readonly resamples: number;
  /** Of p, which other resamples would give otherwise: its Monte Carlo standard error. */
  readonly pStandardError: number;
}
