import { type ClassPair, overClassCounts } from "./classCounts.js";
import type { Metric } from "./metric.js";
import { emptyCounts, macroScores, type Scores, scoresOf } from "./scores.js";

/** One score of one class against the rest (scikit-learn's `average="binary"`), in [0, 1]; 0 where it is undefined. */
const ofClass =
  <Name extends keyof Scores>(name: Name) =>
  (positive: number): Metric<number, number, ClassPair> =>
    overClassCounts(name, (counts) => scoresOf(counts.get(positive) ?? emptyCounts())[name]);

/** `precision` of one class, in [0, 1]; 0 where it was never predicted. */
export const precision = ofClass("precision");

/** `recall` of one class, in [0, 1]; 0 where it is never the reference. */
export const recall = ofClass("recall");

/** `f1` of one class against the rest, in [0, 1]; 0 where it is undefined. */
export const f1 = ofClass("f1");

/**
 * `macroF1`: the unweighted mean over the classes that occur on either side, as scikit-learn's `average="macro"`; a class
 * that neither side has does not count.
 */
export function macroF1(): Metric<number, number, ClassPair> {
  return overClassCounts("macroF1", (counts) => macroScores(counts.values()).f1);
}
