import { BidoraError } from "../../../src/base/errors.js";
import { correlation } from "../../../src/tasks/metrics/numbers.js";
import {
  HIGHER_IS_BETTER,
  LOWER_IS_BETTER,
  type Metric,
  SHARE_OF_ROWS,
} from "../../../src/tasks/metrics/parts/metric.js";

type Pair = readonly [reference: number, prediction: number];

const mean = (values: readonly number[]): number => {
  if (values.length === 0) throw new BidoraError("METRIC_ROWS", "no rows");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
};

export const accuracy: Metric<number, number, number> = {
  values: { accuracy: SHARE_OF_ROWS },
  measure: (reference, prediction) => (reference === prediction ? 1 : 0),
  result: (rows) => ({ accuracy: mean(rows) }),
};

export const meanSquaredError: Metric<number, number, number> = {
  values: { meanSquaredError: LOWER_IS_BETTER },
  measure: (reference, prediction) => (reference - prediction) ** 2,
  result: (rows) => ({ meanSquaredError: mean(rows) }),
};

export const pearson: Metric<number, number, Pair> = {
  values: { pearson: HIGHER_IS_BETTER },
  measure: (reference, prediction) => [reference, prediction],
  result: (rows) => ({
    pearson: correlation(
      rows.map(([reference]) => reference),
      rows.map(([, prediction]) => prediction),
    ),
  }),
};

/** A mean over the rows that have something to measure, which some samples are without. */
export const meanOfSome: Metric<number, number, number | null> = {
  values: { some: HIGHER_IS_BETTER },
  measure: (reference, prediction) => (reference === 0 ? null : prediction),
  result: (rows) => ({ some: mean(rows.filter((row) => row !== null)) }),
};

export const measured = <Measured>(
  metric: Metric<number, number, Measured>,
  references: readonly number[],
  predictions: readonly number[],
): Measured[] => references.map((reference, row) => metric.measure(reference, predictions[row]!, row + 1));
