/** What a metric is, and the checks that metrics share. */
import { BidoraError } from "../../../base/index.js";
import type { Goal } from "../../../base/records/index.js";

/** Facts about a value of a metric's result that hold for any examples. */
export interface MetricValue {
  /** Whether higher or lower values are better. */
  readonly goal: Goal;
  /** The value is the share of correct examples: the mean of a 0 or 1 per example. */
  readonly isShareOfRows?: boolean;
  /** What is counted, in the plural or with an article, where metrics of several kinds have one name: F1 of a class is not F1 of entities. */
  readonly kind?: string;
}

export const HIGHER_IS_BETTER: MetricValue = { goal: "maximize" };
export const LOWER_IS_BETTER: MetricValue = { goal: "minimize" };
export const SHARE_OF_ROWS: MetricValue = { goal: "maximize", isShareOfRows: true };

/**
 * A metric over examples, in two steps: `measure` reduces an example to what the metric needs, and `result` combines measured examples. These are
 * kept, so that a sample of them is scored without measuring them again.
 */
export interface Metric<Reference, Prediction = Reference, Measured = unknown> {
  /** The values that `result` returns, by name. */
  readonly values: Readonly<Record<string, MetricValue>>;
  /**
   * Measures one example.
   * @param example its number from 1, for error messages
   */
  measure(reference: Reference, prediction: Prediction, example: number): Measured;
  /**
   * The values over examples, by name.
   * @param examples as `measure` returned them
   * @param corpus all examples, if `examples` are a sample of them: corpus statistics, such as document frequencies, are taken from it
   * @throws BidoraError `METRIC_ROWS` for no examples
   */
  result(examples: readonly Measured[], corpus?: readonly Measured[]): Readonly<Record<string, number>>;
  /** Remarks without which the result of these examples could be misread, one sentence each. */
  notes?(examples: readonly Measured[]): readonly string[];
  /** The sums that `result` is computed from, for metrics whose values are functions of sums over examples. */
  sums?(corpus: readonly Measured[]): Sums<Measured>;
  /** The metrics that a joint metric consists of, in the order of its measured examples' entries. */
  readonly parts?: readonly OverRows<unknown>[];
}

/** The sums over examples that a metric's values are functions of: scoring a sample of examples then costs only additions. */
export interface Sums<Measured> {
  /** The number of sums. */
  readonly width: number;
  /** Adds an example's contribution. */
  add(example: Measured, sums: Float64Array): void;
  /** The values, by name, for sums over this many examples. @throws BidoraError `METRIC_ROWS` for no examples */
  result(sums: Float64Array, examples: number): Readonly<Record<string, number>>;
}

/** The part of a metric that works on measured examples. */
export type OverRows<Measured> = Pick<Metric<never, never, Measured>, "values" | "result" | "sums" | "parts">;

/** Measures pairs of reference and prediction, and returns the metric's values for them. */
export function score<Reference, Prediction>(
  metric: Metric<Reference, Prediction>,
  pairs: Iterable<readonly [reference: Reference, prediction: Prediction]>,
): Readonly<Record<string, number>> {
  return metric.result(Array.from(pairs, ([reference, prediction], i) => metric.measure(reference, prediction, i + 1)));
}

/** The number of examples, to divide by. @throws BidoraError `METRIC_ROWS` for 0 */
export function atLeastOne(examples: number): number {
  if (examples > 0) return examples;
  throw new BidoraError("METRIC_ROWS", "A metric needs at least one row, got none; evaluate on rows that have labels.");
}

/** The references of one example. @param example its number from 1 @throws BidoraError `METRIC_ROWS` if there are none */
export function atLeastOneReference(references: readonly string[], example: number): readonly string[] {
  if (references.length > 0) return references;
  throw new BidoraError(
    "METRIC_ROWS",
    `Expected at least one reference in row ${example}, got none; leave out rows without references.`,
  );
}

/** @param example its number from 1 @throws BidoraError `METRIC_NOT_FINITE` for NaN and infinities, which no metric is defined for */
export function checkFinite(value: number, what: string, example: number): void {
  if (Number.isFinite(value)) return;
  throw new BidoraError(
    "METRIC_NOT_FINITE",
    `Expected finite ${what}, got ${value} in row ${example}; check its label, and whether the model diverged.`,
  );
}
