import { perCorpus } from "./texts/perCorpus.js";

/**
 * A measure over rows: what of each row it is made of, and what rows come to together. What is measured is kept, so that a
 * sample of the rows can be judged without measuring them again.
 */
export interface Metric<Reference, Prediction = Reference, Measured = unknown> {
  /**
   * What of one row the metric is made of.
   * @param row its number from 1, for errors
   */
  measure(reference: Reference, prediction: Prediction, row: number): Measured;
  /**
   * Names and values over rows.
   * @param rows as `measure` gives them
   * @param corpus all rows where `rows` are a sample of them: what is counted over a whole corpus (how many rows have a word) is
   *   taken from these
   * @throws BidoraError `METRIC_ROWS` when there are none
   */
  result(rows: readonly Measured[], corpus?: readonly Measured[]): Readonly<Record<string, number>>;
}

/** The part of a metric that works on rows as they were measured. */
export type OverRows<Measured> = Pick<Metric<never, never, Measured>, "result">;

/** One metric that measures for several and joins what they give, in their order. */
export function together<Reference, Prediction>(
  ...metrics: readonly Metric<Reference, Prediction>[]
): Metric<Reference, Prediction, readonly unknown[]> {
  const columnsOf = perCorpus((rows: readonly (readonly unknown[])[]) =>
    metrics.map((_, i) => rows.map((row) => row[i])),
  );
  return {
    measure: (reference, prediction, row) => metrics.map((metric) => metric.measure(reference, prediction, row)),
    result(rows, corpus = rows) {
      // The same corpus gives the same columns, by which a metric may remember what it counted there.
      const whole = columnsOf(corpus);
      const own = rows === corpus ? whole : metrics.map((_, i) => rows.map((row) => row[i]));
      return Object.assign({}, ...metrics.map((metric, i) => metric.result(own[i] ?? [], whole[i])));
    },
  };
}

/** The same metric of predictions that hold what it compares. */
export function readingFrom<Reference, Prediction, Read, Measured>(
  metric: Metric<Reference, Read, Measured>,
  read: (prediction: Prediction) => Read,
): Metric<Reference, Prediction, Measured> {
  return {
    measure: (reference, prediction, row) => metric.measure(reference, read(prediction), row),
    result: (rows, corpus) => metric.result(rows, corpus),
  };
}

/** All at once: what the metric gives for pairs of reference and prediction. */
export function score<Reference, Prediction>(
  metric: Metric<Reference, Prediction>,
  pairs: Iterable<readonly [reference: Reference, prediction: Prediction]>,
): Readonly<Record<string, number>> {
  return metric.result(Array.from(pairs, ([reference, prediction], i) => metric.measure(reference, prediction, i + 1)));
}
