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

/** What a metric adds up over rows, where its values follow from these sums: a sample of the rows then costs no more than adding. */
export interface Sums<Measured> {
  /** How many sums there are. */
  readonly width: number;
  /** Adds what a row counts for. */
  add(row: Measured, sums: Float64Array): void;
  /** Names and values, by the sums over so many rows. @throws BidoraError `METRIC_ROWS` where there are none */
  result(sums: Float64Array, rows: number): Readonly<Record<string, number>>;
}

/** The part of a metric that works on rows as they were measured. */
export type OverRows<Measured> = Pick<Metric<never, never, Measured>, "values" | "result" | "sums" | "parts">;

/** All at once: what the metric gives for pairs of reference and prediction. */
export function score<Reference, Prediction>(
  metric: Metric<Reference, Prediction>,
  pairs: Iterable<readonly [reference: Reference, prediction: Prediction]>,
): Readonly<Record<string, number>> {
  return metric.result(Array.from(pairs, ([reference, prediction], i) => metric.measure(reference, prediction, i + 1)));
}
