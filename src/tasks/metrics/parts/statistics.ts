/** Elementary statistics that metrics, confidence intervals and tests share. */
import erfc from "@stdlib/math-base-special-erfc";
import erfcinv from "@stdlib/math-base-special-erfcinv";
import { quantile } from "d3-array";

/** An interval, both ends included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The central interval that holds the given share of the values. */
export function percentiles(values: readonly number[], confidence: number): Interval {
  const tail = (1 - confidence) / 2;
  return { low: quantile(values, tail)!, high: quantile(values, 1 - tail)! };
}

/** The standard normal distribution function. */
export const normalCdf = (z: number): number => erfc(-z / Math.SQRT2) / 2;

/** The standard normal quantile function; infinite for 0 and 1. */
export const normalQuantile = (share: number): number => -Math.SQRT2 * erfcinv(2 * share);
