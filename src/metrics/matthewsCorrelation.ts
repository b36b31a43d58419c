import { atLeastOne } from "./checks.js";
import { ClassCounts } from "./classCounts.js";
import type { Metric } from "./metric.js";

/**
 * `matthewsCorrelation` for two or more classes (Gorodkin's R_K, as scikit-learn), in [-1, 1]; 0 where one side has a
 * single class, where it is undefined.
 */
export function matthewsCorrelation(): Metric<number> {
  const counts = new ClassCounts();
  return {
    add: (reference, prediction) => counts.add(reference, prediction),
    result: () => ({ matthewsCorrelation: correlation(counts) }),
  };
}

function correlation(counts: ClassCounts): number {
  const squared = atLeastOne(counts.rows) ** 2;
  const sums = { right: 0, chance: 0, actual: 0, predicted: 0 };
  for (const { truePositives, actual, predicted } of counts.byClass.values()) {
    sums.right += truePositives;
    sums.chance += actual * predicted;
    sums.actual += actual * actual;
    sums.predicted += predicted * predicted;
  }
  const variances = (squared - sums.actual) * (squared - sums.predicted);
  return variances === 0 ? 0 : (sums.right * counts.rows - sums.chance) / Math.sqrt(variances);
}
