/** A metric in two parts: what is measured of each row by itself, and what that gives over rows. */
export interface RowMetric<Reference, Prediction = Reference, Measured = unknown> {
  /** @param row its number, from 1, for errors */
  measure(reference: Reference, prediction: Prediction, row: number): Measured;
  /**
   * Names and values over the measured rows.
   * @param corpus all rows, of which `rows` may be a sample drawn anew (bootstrap)
   * @throws BidoraError `METRIC_ROWS` when there were none
   */
  result(rows: readonly Measured[], corpus?: readonly Measured[]): Readonly<Record<string, number>>;
}

/** The part of a metric that works on measured rows. */
export type OverRows<Measured> = Pick<RowMetric<never, never, Measured>, "result">;
