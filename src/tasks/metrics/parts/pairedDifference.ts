// The interval of the difference of two shares of the same examples.
import { wilson } from "./confidenceIntervals.js";
import type { Interval } from "./statistics.js";

/** How many examples were right after and before a change, in both, in one of the two, or in neither. */
export interface PairedCounts {
  readonly both: number;
  /** Wrong before, right after. */
  readonly fixed: number;
  /** Right before, wrong after. */
  readonly broken: number;
  readonly neither: number;
}

/**
 * The interval of the share that is right after the change, less the share before: Wilson's intervals of the two shares, joined by their
 * correlation (Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired data", method 10).
 */
export function pairedDifference({ both, fixed, broken, neither }: PairedCounts, confidence: number): Interval {
  const count = both + fixed + broken + neither;
  const [after, before] = [both + fixed, both + broken];
  const [p, q] = [after / count, before / count];
  const [own, other] = [wilson(p, count, confidence), wilson(q, count, confidence)];
  const product = both * neither - fixed * broken;
  const spread = after * (count - after) * before * (count - before);
  // A positive correlation is estimated too high in small samples, so that half an example is taken off.
  const correlation = spread === 0 ? 0 : (product > 0 ? Math.max(0, product - count / 2) : product) / Math.sqrt(spread);
  const joined = (a: number, b: number) => Math.sqrt(Math.max(0, a ** 2 - 2 * correlation * a * b + b ** 2));
  return { low: p - q - joined(p - own.low, other.high - q), high: p - q + joined(own.high - p, q - other.low) };
}
