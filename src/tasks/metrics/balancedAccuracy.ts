/** Balanced accuracy, for data sets whose classes differ in frequency. */
import { type ClassPair, overClassCounts } from "./classes.js";
import type { Metric } from "./parts/metric.js";
import { macroScores } from "./parts/scores.js";

/** `balancedAccuracy`: the unweighted mean of recall over the classes among the references, as scikit-learn, in [0, 1]. */
export function balancedAccuracy(): Metric<number, number, ClassPair> {
  return overClassCounts(
    "balancedAccuracy",
    (counts) => macroScores([...counts.values()].filter(({ actual }) => actual > 0)).recall,
  );
}
