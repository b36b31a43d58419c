import { type Metric, score } from "../../../src/tasks/metrics/index.js";

/** What a metric gives after these rows. */
export function over<R, P>(
  metric: Metric<R, P>,
  references: readonly R[],
  predictions: readonly P[],
): Readonly<Record<string, number>> {
  return score(
    metric,
    references.map((reference, row) => [reference, predictions[row]!] as const),
  );
}
