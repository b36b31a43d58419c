/** Metrics that are made of others. */

import { perCorpus } from "@bidora/text-metrics";
import { own } from "../common/collections.js";
import type { Metric, OverRows } from "./metric.js";
import { sumsOfAll } from "./sums.js";

/** One metric that measures for several and joins what they give, in their order. */
export function together<Reference, Prediction>(
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
      // The same corpus gives the same columns, by which a metric may remember what it counted there.
      const whole = columnsOf(corpus);
      const own = rows === corpus ? whole : metrics.map((_, i) => rows.map((row) => row[i]));
      return Object.assign({}, ...metrics.map((metric, i) => metric.result(own[i] ?? [], whole[i])));
    },
    notes: (rows) => [...new Set(metrics.flatMap((metric, i) => metric.notes?.(rows.map((row) => row[i])) ?? []))],
  };
}

/** The same metric of predictions that hold what it compares. */
export function readingFrom<Reference, Prediction, Read, Measured>(
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

/** A metric and what it has measured of rows. */
export interface MeasuredRows {
  readonly metric: OverRows<unknown>;
  readonly rows: readonly unknown[];
}

/** As little of a metric as gives the value of this name: where it joins several, the last of them that has it. */
export function partWith(name: string, { metric, rows }: MeasuredRows): MeasuredRows {
  const parts = metric.parts ?? [];
  const at = parts.findLastIndex(({ values }) => own(values, name) !== undefined);
  const part = parts[at];
  return part ? { metric: part, rows: rows.map((row) => (row as readonly unknown[])[at]) } : { metric, rows };
}
