// The bootstrap over seeds and rows: is the difference between two methods more than other seeds and other rows would change it?
import { type BootstrapOptions, checkBootstrap } from "../../tasks/metrics/parts/index.js";
import { studentDraws } from "./draws.js";
import { type Differences, differencesOf, type Resampled } from "./pairedBootstrap.js";
import { mean, round12, sampleDeviation } from "./summary.js";

/** A method's mean over its runs, of all rows and of each resample, and the value of each run. */
export interface OverRuns extends Resampled {
  /** Over all rows, one a run. */
  readonly wholes: readonly number[];
}

export function meanOverRuns(runs: readonly Resampled[]): OverRuns {
  const [{ drawn }] = runs as readonly [Resampled];
  const wholes = runs.map(({ whole }) => whole);
  return { wholes, whole: mean(wholes), drawn: drawn.map((_, i) => mean(runs.map((one) => one.drawn[i]!))) };
}

/**
 * The differences of two methods under resampled rows and seeds. Each resample of rows, the same for both methods and all seeds, gives a
 * mean difference over the seeds, to which t·s/√S is added: s is the sample deviation of the S differences between runs of one seed, over
 * all rows, and t is drawn from Student's distribution with S − 1 degrees of freedom. (Seeds that are drawn with replacement, as rows are,
 * vary too little for few seeds: by a factor of (S − 1)/S, and with normal tails.)
 * @param a the runs of one method @param b those of the other with the same seeds, in the same order; at least two
 * @throws BidoraError `METRIC_NOT_FINITE` as `differenceOf`
 */
export function twoLevelDifferences(name: string, a: OverRuns, b: OverRuns, options: BootstrapOptions): Differences {
  const { resamples, seed } = checkBootstrap(options);
  const bySeed = a.wholes.map((value, i) => round12(value - b.wholes[i]!));
  const error = sampleDeviation(bySeed)! / Math.sqrt(bySeed.length);
  const draws = studentDraws(resamples, bySeed.length - 1, seed);
  const added = draws.map((t) => t * error);
  return differencesOf(name, a, b, options, added);
}
