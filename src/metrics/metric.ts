import { own } from "../common/own.js";
import { type Sums, sumsOfAll } from "./sums.js";
import { perCorpus } from "./texts/perCorpus.js";

/** What is known of a value of a result before there is any row. */
export interface MetricValue {
  /** Whether more or less of it is better. */
  readonly goal: Goal;
  /** It is the share of rows that are right: the mean of a 0 or 1 for each. */
  readonly isShareOfRows?: boolean;
}

/** Whether more or less of a value is better. */
export type Goal = "maximize" | "minimize";

export const MORE_IS_BETTER: MetricValue = { goal: "maximize" };
export const LESS_IS_BETTER: MetricValue = { goal: "minimize" };
export const SHARE_OF_ROWS: MetricValue = { goal: "maximize", isShareOfRows: true };

/**
 * A measure over rows: what of each row it is made of, and what rows come to together. What is measured is kept, so that a
 * sample of the rows can be judged without measuring them again.
 */
export interface Metric<Reference, Prediction = Reference, Measured = unknown> {
  /** Each value that `result` gives, by its name there. */
  readonly values: Readonly<Record<string, MetricValue>>;
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
  /** What has to be known of these rows to read the result right, a sentence each. */
  notes?(rows: readonly Measured[]): readonly string[];
  /** What `result` adds up over samples of a corpus, where its values follow from sums over rows. */
  sums?(corpus: readonly Measured[]): Sums<Measured>;
  /** Of a metric that joins others those, each for its place in what is measured of a row. */
  readonly parts?: readonly OverRows<unknown>[];
}

/** The part of a metric that works on rows as they were measured. */
export type OverRows<Measured> = Pick<Metric<never, never, Measured>, "values" | "result" | "sums" | "parts">;

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
  const columns = (metric.parts ?? []).map(
    (part, i): MeasuredRows => ({ metric: part, rows: rows.map((row) => (row as readonly unknown[])[i]) }),
  );
  return columns.findLast((column) => own(column.metric.values, name) !== undefined) ?? { metric, rows };
}

/** All at once: what the metric gives for pairs of reference and prediction. */
export function score<Reference, Prediction>(
  metric: Metric<Reference, Prediction>,
  pairs: Iterable<readonly [reference: Reference, prediction: Prediction]>,
): Readonly<Record<string, number>> {
  return metric.result(Array.from(pairs, ([reference, prediction], i) => metric.measure(reference, prediction, i + 1)));
}
