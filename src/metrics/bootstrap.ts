import { quantile } from "d3-array";

/** Where a value lies, both ends included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The interval that holds the given share of the values, with as many below as above it. */
export function percentiles(values: readonly number[], confidence: number): Interval {
  const tail = (1 - confidence) / 2;
  return { low: quantile(values, tail)!, high: quantile(values, 1 - tail)! };
}
