/** A measure over rows: what of each row it is made of, and what rows together come to. */
export interface Metric<Reference, Prediction = Reference, Measured = unknown> {
  /** What of one row the metric is made of. @param row its number from 1, for errors */
  measure(reference: Reference, prediction: Prediction, row: number): Measured;
  /**
   * Names and values over rows.
   * @param corpus all rows, of which `rows` may be a sample drawn anew (bootstrap): what is counted over a whole corpus
   *   (document frequencies, the information of n-grams) is taken from these
   * @throws BidoraError `METRIC_ROWS` when there are none
   */
  result(rows: readonly Measured[], corpus?: readonly Measured[]): Readonly<Record<string, number>>;
}

/** A measure of texts, each against all references of its row; `measure` throws METRIC_ROWS for a row without any. */
export type TextMetric<Measured = unknown> = Metric<readonly string[], string, Measured>;
