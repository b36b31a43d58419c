/** Metrics of one class per example, given as class ids: accuracy, precision, recall, F1, Matthews correlation. */
import { atLeastOne, HIGHER_IS_BETTER, type Metric, SHARE_OF_ROWS, type Sums } from "./parts/metric.js";
import { addOne, COUNTS, type Counts, countsIn, macroScores, type Scores, scoresOf } from "./parts/scores.js";
import { meanOverRows, overSums } from "./parts/sums.js";

/** `accuracy`: the share of examples whose predicted class is the reference class, in [0, 1]. */
export function accuracy(): Metric<number, number, number> {
  return meanOverRows("accuracy", { ...SHARE_OF_ROWS, kind: "rows" }, (reference, prediction) =>
    reference === prediction ? 1 : 0,
  );
}

/** Whether an example's reference and prediction are the positive class; all other classes count as one. */
export interface ClassHit {
  readonly actual: boolean;
  readonly predicted: boolean;
}

/** One score of one class against the rest (scikit-learn's `average="binary"`), in [0, 1]; 0 if it is undefined. */
const ofClass =
  (name: keyof Scores) =>
  (positive: number): Metric<number, number, ClassHit> =>
    overSums(
      { [name]: { ...HIGHER_IS_BETTER, kind: "a class" } },
      (reference, prediction) => ({ actual: reference === positive, predicted: prediction === positive }),
      () => ({
        width: COUNTS,
        add: (hit, sums) => addOne(hit, sums),
        result(sums, examples) {
          atLeastOne(examples);
          return { [name]: scoresOf(countsIn(sums))[name] };
        },
      }),
    );

/** `precision` of one class, in [0, 1]; 0 if it was never predicted. */
export const precision = ofClass("precision");

/** `recall` of one class, in [0, 1]; 0 if it is never the reference. */
export const recall = ofClass("recall");

/** `f1` of one class against the rest, in [0, 1]; 0 if it is undefined. */
export const f1 = ofClass("f1");

/** The classes of one example. */
export type ClassPair = readonly [reference: number, prediction: number];

/**
 * `macroF1`: the unweighted mean of F1 over the classes that occur among references or predictions, as scikit-learn's
 * `average="macro"`.
 */
export function macroF1(): Metric<number, number, ClassPair> {
  return overClassCounts("macroF1", (counts) => macroScores(counts.values()).f1, "classes of rows");
}

/**
 * `matthewsCorrelation` for two or more classes (Gorodkin's R_K, as scikit-learn), in [-1, 1]; 0 if it is undefined, that is,
 * if all references or all predictions are one class.
 */
export function matthewsCorrelation(): Metric<number, number, ClassPair> {
  return overClassCounts("matthewsCorrelation", correlation);
}

function correlation(counts: ClassCounts, examples: number): number {
  const squared = examples ** 2;
  const sums = { right: 0, chance: 0, actual: 0, predicted: 0 };
  for (const { truePositives, actual, predicted } of counts.values()) {
    sums.right += truePositives;
    sums.chance += actual * predicted;
    sums.actual += actual * actual;
    sums.predicted += predicted * predicted;
  }
  const variances = (squared - sums.actual) * (squared - sums.predicted);
  return variances === 0 ? 0 : (sums.right * examples - sums.chance) / Math.sqrt(variances);
}

/** Counts by class id, for the classes that occur, in order of first occurrence. */
type ClassCounts = ReadonlyMap<number, Counts>;

/** A metric that is a function of class counts; higher is better. @param kind as in `MetricValue` */
export function overClassCounts(
  name: string,
  of: (counts: ClassCounts, examples: number) => number,
  kind?: string,
): Metric<number, number, ClassPair> {
  return overSums(
    { [name]: { ...HIGHER_IS_BETTER, ...(kind !== undefined && { kind }) } },
    (reference, prediction) => [reference, prediction],
    (corpus) => classSums(corpus, (counts, examples) => ({ [name]: of(counts, examples) })),
  );
}

/** Three sums for each class in the corpus. */
function classSums(
  corpus: readonly ClassPair[],
  resultOf: (counts: ClassCounts, examples: number) => Readonly<Record<string, number>>,
): Sums<ClassPair> {
  const from = new Map([...new Set(corpus.flat())].map((id, place) => [id, COUNTS * place]));
  return {
    width: COUNTS * from.size,
    add([reference, prediction], sums) {
      const predicted = reference === prediction;
      addOne({ actual: true, predicted }, sums, from.get(reference)!);
      if (!predicted) addOne({ actual: false, predicted: true }, sums, from.get(prediction)!);
    },
    result: (sums, examples) => resultOf(countsByClass(from, sums), atLeastOne(examples)),
  };
}

/** The counts of the classes that occur. */
const countsByClass = (from: ReadonlyMap<number, number>, sums: Float64Array): ClassCounts =>
  new Map(
    [...from]
      .map(([id, place]): [number, Counts] => [id, countsIn(sums, place)])
      .filter(([, { predicted, actual }]) => predicted + actual > 0),
  );
