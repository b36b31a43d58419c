import type { Metric } from "../../src/metrics/index.js";

/** What a metric gives after these rows. */
export function over<R, P>(
  metric: Metric<R, P>,
  references: readonly R[],
  predictions: readonly P[],
): Readonly<Record<string, number>> {
  for (const [row, reference] of references.entries()) metric.add(reference, predictions[row]!);
  return metric.result();
}
