import { type ClassCounts, type ClassPair, overClassCounts } from "./classCounts.js";
import type { Metric } from "./metric.js";

/**
 * `matthewsCorrelation` for two or more classes (Gorodkin's R_K, as scikit-learn), in [-1, 1]; 0 where one side has a
 * single class, where it is undefined.
 */
export function matthewsCorrelation(): Metric<number, number, ClassPair> {
  return overClassCounts("matthewsCorrelation", correlation);
}

function correlation(counts: ClassCounts, rows: number): number {
  const squared = rows ** 2;
  const sums = { right: 0, chance: 0, actual: 0, predicted: 0 };
  for (const { truePositives, actual, predicted } of counts.values()) {
    sums.right += truePositives;
    sums.chance += actual * predicted;
    sums.actual += actual * actual;
    sums.predicted += predicted * predicted;
  }
  const variances = (squared - sums.actual) * (squared - sums.predicted);
  return variances === 0 ? 0 : (sums.right * rows - sums.chance) / Math.sqrt(variances);
}
