import { quantile } from "d3-array";
import type { Interval } from "./bootstrap.js";
import { mean, sum } from "./checks.js";
import { normalQuantile, normalShare } from "./normal.js";

/** A value over all rows, over samples drawn from them, and over all rows but some. */
export interface Resampled {
  readonly whole: number;
  readonly drawn: readonly number[];
  /** Each without another row, or another group of rows, of like size. */
  readonly leftOut: readonly number[];
}

/**
 * The bias-corrected and accelerated bootstrap interval (Efron 1987; Efron & Tibshirani 1993, § 14.3), as
 * `scipy.stats.bootstrap(method="BCa")`: percentiles of the drawn values, moved by how far the value is from their median and by the
 * jackknife's skewness. Undefined where all drawn values lie on one side of the value, so that no percentile is left.
 */
export function bca({ whole, drawn, leftOut }: Resampled, confidence: number): Interval | undefined {
  const bias = normalQuantile(shareBelow(drawn, whole));
  if (!Number.isFinite(bias)) return undefined;
  const acceleration = skewnessOver6(leftOut);
  const percentile = (share: number) => {
    const z = bias + normalQuantile(share);
    return normalShare(bias + z / (1 - acceleration * z));
  };
  const tail = (1 - confidence) / 2;
  return { low: quantile(drawn, percentile(tail))!, high: quantile(drawn, percentile(1 - tail))! };
}

/** Those that are equal count half. */
function shareBelow(values: readonly number[], value: number): number {
  return mean(values.map((other) => (areAlike(other, value) ? 0.5 : other < value ? 1 : 0)));
}

/** Whether two values are the same but for rounding: what rows add up to depends on how often each was drawn. */
export const areAlike = (a: number, b: number): boolean =>
  Math.abs(a - b) <= ROUNDING * Math.max(Math.abs(a), Math.abs(b));

const ROUNDING = 1e-12;

/** Of rows that all change the value alike, 0. */
function skewnessOver6(leftOut: readonly number[]): number {
  const centre = mean(leftOut);
  const changes = leftOut.map((value) => centre - value);
  const spread = sum(changes.map((change) => change ** 2));
  return spread === 0 ? 0 : sum(changes.map((change) => change ** 3)) / (6 * spread ** 1.5);
}
