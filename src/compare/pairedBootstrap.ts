import { BidoraError } from "../common/errors.js";
import { own } from "../common/own.js";
import { type Interval, percentiles } from "../metrics/bootstrap.js";
import type { OverRows } from "../metrics/metric.js";
import { areEnough, type BootstrapOptions, checkBootstrap, drawnRows, resultOfDrawn } from "../metrics/resamples.js";
import { round12 } from "./differences.js";

/** What the same rows, drawn anew, say of the difference between two methods. */
export interface PairedBootstrap extends Interval {
  /** The metric of a less that of b, over all rows; `low` and `high` are its percentile interval. */
  readonly difference: number;
  /** Two-sided, in (0, 1]. */
  readonly p: number;
}

/** One value of a metric for one method, of all rows and of each resample; NaN where there is none. */
export interface Resampled {
  readonly rows: number;
  readonly whole: number;
  readonly drawn: readonly number[];
}

/**
 * The paired bootstrap (Koehn 2004) of the difference δ of one metric between two methods: rows are drawn with replacement,
 * the same ones for both. The drawn differences δ_i centre on δ, not on 0, so that chance is what takes them as far from δ
 * as δ is from 0 (Berg-Kirkpatrick, Burkett & Klein 2012, §2, here on both sides): p = (1 + #{|δ_i − δ| ≥ |δ|}) / (1 + B),
 * the observed difference counting as one of the draws (Davison & Hinkley 1997, §4.2), so that p is never 0. Both are compared
 * to 12 decimals. Resamples in which the difference is not a finite number are left out.
 * @param name the value of the metric's result
 * @param a the measured rows of one method
 * @param b those of the other: the same rows in the same order
 * @throws BidoraError `PAIRED_SAMPLES` for rows that are not the same number, or fewer than two
 * @throws BidoraError `METRIC_NOT_FINITE` where the difference has no value over all rows, or in more than one in twenty resamples
 */
export function pairedBootstrap<Measured>(
  metric: OverRows<Measured>,
  name: string,
  a: readonly Measured[],
  b: readonly Measured[],
  options: BootstrapOptions,
): PairedBootstrap {
  return differenceOf(name, resampled(metric, name, a, options), resampled(metric, name, b, options), options);
}

/** One side of a paired bootstrap: what it is against many others has to be found once. @param rows the measured ones of a method */
export function resampled<Measured>(
  metric: OverRows<Measured>,
  name: string,
  rows: readonly Measured[],
  options: BootstrapOptions,
): Resampled {
  const valueIn = (result: Readonly<Record<string, number>>) => own(result, name) ?? Number.NaN;
  const whole = valueIn(metric.result(rows, rows));
  const drawn: number[] = [];
  for (const places of drawnRows(rows.length, checkBootstrap(options)))
    drawn.push(valueIn(resultOfDrawn(metric, rows, places)));
  return { rows: rows.length, whole, drawn };
}

/** The paired bootstrap of two sides that were drawn with the same options. @throws BidoraError as `pairedBootstrap` */
export function differenceOf(name: string, a: Resampled, b: Resampled, options: BootstrapOptions): PairedBootstrap {
  const { resamples, confidence } = checkBootstrap(options);
  checkRows(a.rows, b.rows);
  const difference = a.whole - b.whole;
  if (!Number.isFinite(difference)) throw undefinedDifference(name, "over all rows");
  const drawn = a.drawn.map((value, i) => value - b.drawn[i]!).filter(Number.isFinite);
  if (!areEnough(drawn.length, resamples))
    throw undefinedDifference(name, `in ${resamples - drawn.length} of ${resamples} samples drawn from them`);
  return { difference, ...percentiles(drawn, confidence), p: shareAsFar(drawn, difference) };
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
    `Expected the same rows on both sides, two at least; ${a} and ${b} came. Score both methods on one file.`,
  );
}

const undefinedDifference = (name: string, where: string): BidoraError =>
  new BidoraError(
    "METRIC_NOT_FINITE",
    `Expected a finite difference of "${name}" between the two methods, there is none ${where}; take another metric, or more rows.`,
  );
