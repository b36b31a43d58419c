/** Precision, recall and F1 from counts of true positives, predictions and references. */

/** Precision, recall and their harmonic mean, each in [0, 1]. */
export interface Scores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** The counts that the three scores of a class are computed from. */
export interface Counts {
  truePositives: number;
  /** How often the class was predicted. */
  predicted: number;
  /** How often the class is the reference. */
  actual: number;
}

export const emptyCounts = (): Counts => ({ truePositives: 0, predicted: 0, actual: 0 });

/** The length of a class's counts in an array of sums. */
export const COUNTS = 3;

/** Adds a class's counts to the sums at `from`. */
export function addCounts({ truePositives, predicted, actual }: Counts, sums: Float64Array, from = 0): void {
  sums[from]! += truePositives;
  sums[from + 1]! += predicted;
  sums[from + 2]! += actual;
}

/** Adds one example, whose reference (`actual`), prediction or both are the class, to the sums at `from`. */
export function addOne(
  { actual, predicted }: { readonly actual: boolean; readonly predicted: boolean },
  sums: Float64Array,
  from = 0,
): void {
  if (actual && predicted) sums[from]! += 1;
  if (predicted) sums[from + 1]! += 1;
  if (actual) sums[from + 2]! += 1;
}

/** A class's counts in the sums at `from`. */
export const countsIn = (sums: Float64Array, from = 0): Counts => ({
  truePositives: sums[from]!,
  predicted: sums[from + 1]!,
  actual: sums[from + 2]!,
});

/** A ratio with denominator 0 is 0, the default of scikit-learn and seqeval. */
const ratio = (numerator: number, denominator: number): number => (denominator === 0 ? 0 : numerator / denominator);

/** The scores of one class; 0 if a denominator is 0. */
export function scoresOf({ truePositives, predicted, actual }: Counts): Scores {
  return {
    precision: ratio(truePositives, predicted),
    recall: ratio(truePositives, actual),
    f1: ratio(2 * truePositives, predicted + actual),
  };
}

/** Scores of the classes' summed counts. */
export function microScores(classes: Iterable<Counts>): Scores {
  const sum = emptyCounts();
  for (const counts of classes) {
    sum.truePositives += counts.truePositives;
    sum.predicted += counts.predicted;
    sum.actual += counts.actual;
  }
  return scoresOf(sum);
}

/** The unweighted mean of the classes' scores; 0 for no classes. */
export function macroScores(classes: Iterable<Counts>): Scores {
  const each = [...classes].map(scoresOf);
  const mean = (key: keyof Scores) =>
    ratio(
      each.reduce((sum, scores) => sum + scores[key], 0),
      each.length,
    );
  return { precision: mean("precision"), recall: mean("recall"), f1: mean("f1") };
}
