/** Metrics made of other metrics. */

import { perCorpus } from "@bidora/text-metrics";
import { own } from "../../base/index.js";
import type { Metric, OverRows } from "./metric.js";
import { sumsOfAll } from "./sums.js";

/** Joins metrics into one whose result has the values of all of them, in order. */
export function combineMetrics<Reference, Prediction>(
  ...metrics: readonly Metric<Reference, Prediction>[]
): Metric<Reference, Prediction, readonly unknown[]> {
  const columnsOf = perCorpus((rows: readonly (readonly unknown[])[]) =>
    metrics.map((_, i) => rows.map((row) => row[i])),
  );
  const addUp = metrics.every(({ sums }) => sums !== undefined);
  return {
    values: Object.assign({}, ...metrics.map(({ values }) => values)),
    parts: metrics,
    ...(addUp && { sums: (corpus) => sumsOfAll(columnsOf(corpus).map((column, i) => metrics[i]!.sums!(column))) }),
    measure: (reference, prediction, row) => metrics.map((metric) => metric.measure(reference, prediction, row)),
    result(rows, corpus = rows) {
      // The same corpus gives the same columns, which metrics use as keys for what they counted there.
      const whole = columnsOf(corpus);
      const own = rows === corpus ? whole : metrics.map((_, i) => rows.map((row) => row[i]));
      return Object.assign({}, ...metrics.map((metric, i) => metric.result(own[i] ?? [], whole[i])));
    },
    notes: (rows) => [...new Set(metrics.flatMap((metric, i) => metric.notes?.(rows.map((row) => row[i])) ?? []))],
  };
}

/** Adapts a metric to predictions that contain what it scores. @param read extracts that from a prediction */
export function mapPrediction<Reference, Prediction, Read, Measured>(
  metric: Metric<Reference, Read, Measured>,
  read: (prediction: Prediction) => Read,
): Metric<Reference, Prediction, Measured> {
  return {
    values: metric.values,
    ...(metric.sums && { sums: metric.sums }),
    ...(metric.parts && { parts: metric.parts }),
    measure: (reference, prediction, row) => metric.measure(reference, read(prediction), row),
    result: (rows, corpus) => metric.result(rows, corpus),
    notes: (rows) => metric.notes?.(rows) ?? [],
  };
}

/** A metric and the rows that it has measured. */
export interface MeasuredRows {
  readonly metric: OverRows<unknown>;
  readonly rows: readonly unknown[];
}

/** The part of a joint metric that computes a value; if several do, the last, since its value is the one in the result. */
export function partWith(name: string, { metric, rows }: MeasuredRows): MeasuredRows {
  const parts = metric.parts ?? [];
  const at = parts.findLastIndex(({ values }) => own(values, name) !== undefined);
  const part = parts[at];
  return part ? { metric: part, rows: rows.map((row) => (row as readonly unknown[])[at]) } : { metric, rows };
}
