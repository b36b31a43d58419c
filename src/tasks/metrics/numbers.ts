/** Metrics of one number per example: mean squared error, Pearson's and Spearman's correlation. */
import { atLeastOne, checkFinite, HIGHER_IS_BETTER, LOWER_IS_BETTER, type Metric } from "./parts/metric.js";
import { averageRanks } from "./parts/ranks.js";
import { meanOverRows } from "./parts/sums.js";

/** `meanSquaredError`, in the square of the label's unit. Throws METRIC_NOT_FINITE. */
export function meanSquaredError(): Metric<number, number, number> {
  return meanOverRows("meanSquaredError", LOWER_IS_BETTER, (reference, prediction, example) => {
    checkFinite(reference, "references", example);
    checkFinite(prediction, "predictions", example);
    return (reference - prediction) ** 2;
  });
}

/**
 * `pearson`: Pearson's correlation, in [-1, 1]; 0 if it is undefined, that is, if all references or all predictions are
 * equal. Throws METRIC_NOT_FINITE.
 */
export function pearson(): Metric<number, number, NumberPair> {
  return correlationOfRows("pearson", correlation);
}

/** `spearman`: `pearson` of the ranks, where equal values get the mean of their ranks. */
export function spearman(): Metric<number, number, NumberPair> {
  return correlationOfRows("spearman", (references, predictions) =>
    correlation(averageRanks(references), averageRanks(predictions)),
  );
}

/** The numbers of one example. */
export type NumberPair = readonly [reference: number, prediction: number];

type Numbers = readonly number[];

/** Keeps both numbers of every example, since running sums lose digits for values far from zero. */
function correlationOfRows(
  name: string,
  of: (references: Numbers, predictions: Numbers) => number,
): Metric<number, number, NumberPair> {
  return {
    values: { [name]: HIGHER_IS_BETTER },
    measure(reference, prediction, example) {
      checkFinite(reference, "references", example);
      checkFinite(prediction, "predictions", example);
      return [reference, prediction];
    },
    result(examples) {
      atLeastOne(examples.length);
      return { [name]: of(...columnsOf(examples)) };
    },
    notes(examples) {
      const sides = columnsOf(examples).flatMap((values, side) => (isConstant(values) ? [SIDES[side]!] : []));
      return sides.map(
        (side) => `The ${side} are constant: correlations are undefined (scipy gives nan), and reported as 0.`,
      );
    },
  };
}

const SIDES = ["references", "predictions"];

const columnsOf = (examples: readonly NumberPair[]): [references: Numbers, predictions: Numbers] => [
  examples.map(([reference]) => reference),
  examples.map(([, prediction]) => prediction),
];

/** Pearson's correlation of two columns of one length; 0 if one is constant. */
export function correlation(references: ArrayLike<number>, predictions: ArrayLike<number>): number {
  if (isConstant(references) || isConstant(predictions)) return 0;
  const x = centeredUnit(references);
  const y = centeredUnit(predictions);
  const r = x.reduce((sum, value, example) => sum + value * y[example]!, 0);
  return Math.min(1, Math.max(-1, r));
}

/** Compares values, since rounding makes the variance of a constant such as 0.1 slightly more than 0. */
function isConstant(values: ArrayLike<number>): boolean {
  for (let example = 1; example < values.length; example++) if (values[example] !== values[0]) return false;
  return true;
}

/** Values minus their mean, scaled to norm 1; dividing by the largest first keeps the squares in range. */
function centeredUnit(values: ArrayLike<number>): Float64Array {
  const centered = Float64Array.from(values);
  const mean = centered.reduce((sum, value) => sum + value / centered.length, 0);
  const largest = centered.reduce((max, value) => Math.max(max, Math.abs(value - mean)), 0);
  const scaled = centered.map((value) => (value - mean) / largest);
  const norm = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0));
  return scaled.map((value) => value / norm);
}
