import { wilson } from "./confidenceIntervals.js";
import type { Interval } from "./statistics.js";

/** How many rows a change fixed (wrong before, right after) and broke, and the interval of the share of right rows after less before. */
export interface RowChanges extends Interval {
  readonly fixed: number;
  readonly broken: number;
}

/**
 * The rows that changed. The interval joins Wilson's of the two shares by their correlation (Newcombe 1998, "Improved confidence intervals for
 * the difference between binomial proportions based on paired data", method 10).
 */
export function rowChanges(before: readonly boolean[], after: readonly boolean[], confidence = 0.95): RowChanges {
  const count = (was: boolean, is: boolean) => before.filter((one, i) => one === was && after[i] === is).length;
  const [both, fixed, broken, neither] = [
    count(true, true),
    count(false, true),
    count(true, false),
    count(false, false),
  ];
  const [p, q] = [(both + fixed) / before.length, (both + broken) / before.length];
  const [own, other] = [wilson(p, before.length, confidence), wilson(q, before.length, confidence)];
  const product = both * neither - fixed * broken;
  const spread = (both + fixed) * (broken + neither) * (both + broken) * (fixed + neither);
  // A positive correlation is estimated too high in small samples, so that half an example is taken off.
  const correlation = spread && (product > 0 ? Math.max(0, product - before.length / 2) : product) / Math.sqrt(spread);
  const joined = (a: number, b: number) => Math.sqrt(Math.max(0, a ** 2 - 2 * correlation * a * b + b ** 2));
  const [low, high] = [p - q - joined(p - own.low, other.high - q), p - q + joined(own.high - p, q - other.low)];
  return { fixed, broken, low, high };
}
