import { atLeastOne } from "./checks.js";
import { ClassCounts } from "./classCounts.js";
import type { Metric } from "./metric.js";
import { emptyCounts, macroScores, scoresOf } from "./scores.js";

/** `f1` of one class against the rest (scikit-learn's `average="binary"`), in [0, 1]; 0 where it is undefined. */
export function f1(positive: number): Metric<number> {
  const counts = new ClassCounts();
  return {
    add: (reference, prediction) => counts.add(reference, prediction),
    result() {
      atLeastOne(counts.rows);
      return { f1: scoresOf(counts.byClass.get(positive) ?? emptyCounts()).f1 };
    },
  };
}

/**
 * `macroF1`: the unweighted mean over the classes that occur on either side, as scikit-learn's `average="macro"`; a class
 * that neither side has does not count.
 */
export function macroF1(): Metric<number> {
  const counts = new ClassCounts();
  return {
    add: (reference, prediction) => counts.add(reference, prediction),
    result() {
      atLeastOne(counts.rows);
      return { macroF1: macroScores(counts.byClass.values()).f1 };
    },
  };
}
