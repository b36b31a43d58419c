/** A measure over a stream of rows. */
export interface Metric<Reference, Prediction = Reference> {
  /** Takes in one more row. */
  add(reference: Reference, prediction: Prediction): void;
  /**
   * Names and values over all rows so far; more rows may follow.
   * @throws BidoraError `METRIC_ROWS` when there were none
   */
  result(): Readonly<Record<string, number>>;
}

/** One metric that feeds several and joins what they give, in their order. */
export function together<Reference, Prediction>(
  ...metrics: readonly Metric<Reference, Prediction>[]
): Metric<Reference, Prediction> {
  return {
    add(reference, prediction) {
      for (const metric of metrics) metric.add(reference, prediction);
    },
    result: () => Object.assign({}, ...metrics.map((metric) => metric.result())),
  };
}
