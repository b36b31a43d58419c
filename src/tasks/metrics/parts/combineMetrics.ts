/** Metrics made of other metrics. */

import { perCorpus } from "@bidora/text-metrics";
import { own } from "../../../base/index.js";
import type { Metric, OverRows } from "./metric.js";
import { sumsOfAll } from "./sums.js";

/** Joins metrics into one whose result has the values of all of them, in order. */
export function combineMetrics<Reference, Prediction>(
  ...metrics: readonly Metric<Reference, Prediction>[]
): Metric<Reference, Prediction, readonly unknown[]> {
  const columnsOf = perCorpus((examples: readonly (readonly unknown[])[]) =>
    metrics.map((_, i) => examples.map((example) => example[i])),
  );
  const addUp = metrics.every(({ sums }) => sums !== undefined);
  return {
    values: Object.assign({}, ...metrics.map(({ values }) => values)),
    parts: metrics,
    ...(addUp && { sums: (corpus) => sumsOfAll(columnsOf(corpus).map((column, i) => metrics[i]!.sums!(column))) }),
    measure: (reference, prediction, example) =>
      metrics.map((metric) => metric.measure(reference, prediction, example)),
    result(examples, corpus = examples) {
      // The same corpus gives the same columns, which metrics use as keys for what they counted there.
      const whole = columnsOf(corpus);
      const own = examples === corpus ? whole : metrics.map((_, i) => examples.map((example) => example[i]));
      return Object.assign({}, ...metrics.map((metric, i) => metric.result(own[i] ?? [], whole[i])));
    },
    notes: (examples) => [
      ...new Set(metrics.flatMap((metric, i) => metric.notes?.(examples.map((example) => example[i])) ?? [])),
    ],
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
    measure: (reference, prediction, example) => metric.measure(reference, read(prediction), example),
    result: (examples, corpus) => metric.result(examples, corpus),
    notes: (examples) => metric.notes?.(examples) ?? [],
  };
}

/** A metric and the examples that it has measured. */
export interface MeasuredExamples {
  readonly metric: OverRows<unknown>;
  readonly measured: readonly unknown[];
}

/** The part of a joint metric that computes a value; if several do, the last, since its value is the one in the result. */
export function partWith(name: string, { metric, measured: examples }: MeasuredExamples): MeasuredExamples {
  const parts = metric.parts ?? [];
  const at = parts.findLastIndex(({ values }) => own(values, name) !== undefined);
  const part = parts[at];
  return part
    ? { metric: part, measured: examples.map((example) => (example as readonly unknown[])[at]) }
    : { metric, measured: examples };
}
