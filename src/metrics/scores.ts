/** Precision, recall and their harmonic mean, each in [0, 1]. */
export interface Scores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** What the three scores are made of, for one class. */
export interface Counts {
  truePositives: number;
  /** How often the class was predicted. */
  predicted: number;
  /** How often the class is the reference. */
  actual: number;
}

export const emptyCounts = (): Counts => ({ truePositives: 0, predicted: 0, actual: 0 });

/** How many numbers counts are, in the order of `addCounts` and `addOne`. */
export const COUNTS = 3;

/** Adds counts to sums, from a place on. */
export function addCounts({ truePositives, predicted, actual }: Counts, sums: Float64Array, from = 0): void {
  sums[from]! += truePositives;
  sums[from + 1]! += predicted;
  sums[from + 2]! += actual;
}

/** Adds one row, of which the class is the reference, the prediction, or both, to sums, from a place on. */
export function addOne(
  { actual, predicted }: { readonly actual: boolean; readonly predicted: boolean },
  sums: Float64Array,
  from: number,
): void {
  if (actual && predicted) sums[from]! += 1;
  if (predicted) sums[from + 1]! += 1;
  if (actual) sums[from + 2]! += 1;
}

/** The counts in sums, from a place on. */
export const countsIn = (sums: Float64Array, from = 0): Counts => ({
  truePositives: sums[from]!,
  predicted: sums[from + 1]!,
  actual: sums[from + 2]!,
});

/** A ratio without denominator is 0, as scikit-learn and seqeval give it by default. */
export const ratio = (numerator: number, denominator: number): number =>
  denominator === 0 ? 0 : numerator / denominator;

/** The scores of one class; 0 where a denominator is 0 (class never predicted, or never there). */
export function scoresOf({ truePositives, predicted, actual }: Counts): Scores {
  return {
    precision: ratio(truePositives, predicted),
    recall: ratio(truePositives, actual),
    f1: ratio(2 * truePositives, predicted + actual),
  };
}

/** Scores of the classes' counts added up. */
export function microScores(classes: Iterable<Counts>): Scores {
  const sum = emptyCounts();
  for (const counts of classes) {
    sum.truePositives += counts.truePositives;
    sum.predicted += counts.predicted;
    sum.actual += counts.actual;
  }
  return scoresOf(sum);
}

/** Unweighted mean of the classes' scores; all 0 without any class. */
export function macroScores(classes: Iterable<Counts>): Scores {
  const each = [...classes].map(scoresOf);
  const mean = (key: keyof Scores) =>
    ratio(
      each.reduce((sum, scores) => sum + scores[key], 0),
      each.length,
    );
  return { precision: mean("precision"), recall: mean("recall"), f1: mean("f1") };
}
