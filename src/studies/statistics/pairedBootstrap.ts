// The paired bootstrap over rows: is the difference of a metric between two methods more than chance?
import { BidoraError, own } from "../../base/index.js";
import {
  areEnough,
  type BootstrapOptions,
  bootstrapSamples,
  checkBootstrap,
  type Interval,
  type MeasuredExamples,
  percentiles,
  resultOfSample,
} from "../../tasks/metrics/parts/index.js";
import { meanDifference, round12 } from "./summary.js";

/** The least number of resamples. */
const USUAL = 10_000;
/** Resamples per test of a family: the smallest possible p, corrected by Holm, is then 0.01. */
const A_TEST = 100;

/** How many resamples each test of a family draws. @param family the number of tests corrected together */
export const resamplesFor = (family: number): number => Math.max(USUAL, A_TEST * family);

export interface PairedBootstrap extends Interval {
  /** The metric of a minus that of b, over all rows; `low` and `high` are its percentile interval. */
  readonly difference: number;
  /** Two-sided, in (0, 1]. */
  readonly p: number;
  /** Monte Carlo standard error of p: √(p(1 − p) / (1 + B)). */
  readonly pStandardError: number;
}

/** A metric's value for one method, over all rows and over each resample; NaN if it is undefined. */
export interface Resampled {
  readonly whole: number;
  readonly drawn: readonly number[];
}

/**
 * A metric's value for several methods over the same resamples. Each method is computed once, however many it is paired with.
 * @param sides what the methods' metrics measured of the same rows
 * @param onDrawn called with the number of resamples drawn so far
 * @throws BidoraError `PAIRED_SAMPLES` for different numbers of rows, or fewer than two rows
 */
export function resampled(
  name: string,
  sides: readonly MeasuredExamples[],
  options: BootstrapOptions,
  onDrawn: (done: number) => void = () => {},
): Resampled[] {
  const count = sides[0]?.measured.length ?? 0;
  for (const { measured } of sides) checkRows(count, measured.length);
  const valueIn = (result: Readonly<Record<string, number>>) => own(result, name) ?? Number.NaN;
  const drawn = sides.map((): number[] => []);
  for (const places of bootstrapSamples(count, checkBootstrap(options))) {
    for (const [i, { metric, measured: rows }] of sides.entries())
      drawn[i]!.push(valueIn(resultOfSample(metric, rows, places)));
    onDrawn(drawn[0]!.length);
  }
  return sides.map(({ metric, measured: rows }, i) => ({
    whole: valueIn(metric.result(rows, rows)),
    drawn: drawn[i]!,
  }));
}

/**
 * The paired bootstrap (Koehn 2004) of the difference δ of a metric between two methods: rows are drawn with replacement, the same ones
 * for both methods.
 * @param a one of the `resampled` methods @param b another one
 * @throws BidoraError `METRIC_NOT_FINITE` if the difference is undefined over all rows, or in more than 5 % of the resamples
 */
export function differenceOf(name: string, a: Resampled, b: Resampled, options: BootstrapOptions): PairedBootstrap {
  return judged(differencesOf(name, a, b, options), options);
}

/** A difference over all rows and over each resample, all of them finite. */
export interface Differences {
  readonly difference: number;
  readonly drawn: readonly number[];
}

/**
 * The differences of two methods. Resamples in which the difference is not a finite number are left out.
 * @param added what is added to each resample's difference
 * @throws BidoraError as `differenceOf`
 */
export function differencesOf(
  name: string,
  a: Resampled,
  b: Resampled,
  options: BootstrapOptions,
  added?: ArrayLike<number>,
): Differences {
  const { resamples } = checkBootstrap(options);
  const difference = meanDifference([a.whole - b.whole]);
  if (!Number.isFinite(difference)) throw undefinedDifference(name, "over all rows");
  const all = a.drawn.map((value, i) => value - b.drawn[i]! + (added?.[i] ?? 0));
  const drawn = all.filter(Number.isFinite);
  if (areEnough(drawn.length, resamples)) return { difference, drawn };
  throw undefinedDifference(name, `in ${resamples - drawn.length} of ${resamples} samples drawn from them`);
}

/**
 * The p-value and the interval of a difference δ from its resamples. The resampled differences δ_i are centered on δ, not on 0, so p is
 * the share of them that lie as far from δ as δ lies from 0 (Berg-Kirkpatrick, Burkett & Klein 2012, §2, two-sided):
 * p = (1 + #{|δ_i − δ| ≥ |δ|}) / (1 + B). The observed difference counts as a draw (Davison & Hinkley 1997, §4.2), so that p is never 0.
 * Both sides of the comparison are rounded to 12 decimals.
 */
export function judged({ difference, drawn }: Differences, options: BootstrapOptions): PairedBootstrap {
  const p = shareAsFar(drawn, difference);
  const pStandardError = Math.sqrt((p * (1 - p)) / (1 + drawn.length));
  return { difference, ...percentiles(drawn, checkBootstrap(options).confidence), p, pStandardError };
}

function shareAsFar(drawn: readonly number[], difference: number): number {
  const far = round12(Math.abs(difference));
  const asFar = drawn.filter((value) => round12(Math.abs(value - difference)) >= far).length;
  return (1 + asFar) / (1 + drawn.length);
}

function checkRows(a: number, b: number): void {
  if (a === b && a > 1) return;
  throw new BidoraError(
    "PAIRED_SAMPLES",
    `Expected the same rows for both methods, at least two; got ${a} and ${b}. Score both methods on one file.`,
  );
}

const undefinedDifference = (name: string, where: string): BidoraError =>
  new BidoraError(
    "METRIC_NOT_FINITE",
    `Expected a finite difference of "${name}" between the two methods, but there is none ${where}; use another metric, or more rows.`,
  );
