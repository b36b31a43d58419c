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
  const settings = checkBootstrap(options);
  checkRows(a.length, b.length);
  const difference = subtract(own(metric.result(a, a), name), own(metric.result(b, b), name));
  if (!Number.isFinite(difference)) throw undefinedDifference(name, "over all rows");
  const drawn: number[] = [];
  for (const rows of drawnRows(a.length, settings)) {
    const [left, right] = [resultOfDrawn(metric, a, rows), resultOfDrawn(metric, b, rows)];
    const found = subtract(own(left, name), own(right, name));
    if (Number.isFinite(found)) drawn.push(found);
  }
  const missing = settings.resamples - drawn.length;
  if (!areEnough(drawn.length, settings.resamples))
    throw undefinedDifference(name, `in ${missing} of ${settings.resamples} samples drawn from them`);
  return { difference, ...percentiles(drawn, settings.confidence), p: shareAsFar(drawn, difference) };
}

/** NaN where one side has no value. */
const subtract = (a = Number.NaN, b = Number.NaN): number => a - b;

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
