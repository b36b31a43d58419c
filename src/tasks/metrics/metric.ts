/** What a metric is, and the checks that metrics share. */
import { BidoraError } from "../../base/index.js";
import type { Goal } from "../../base/records/index.js";

/** Facts about a value of a metric's result that hold for any rows. */
export interface MetricValue {
  /** Whether higher or lower values are better. */
  readonly goal: Goal;
  /** The value is the share of correct rows: the mean of a 0 or 1 per row. */
  readonly isShareOfRows?: boolean;
  /** What is counted, in the plural or with an article, where metrics of several kinds have one name: F1 of a class is not F1 of entities. */
  readonly kind?: string;
}

export const HIGHER_IS_BETTER: MetricValue = { goal: "maximize" };
export const LOWER_IS_BETTER: MetricValue = { goal: "minimize" };
export const SHARE_OF_ROWS: MetricValue = { goal: "maximize", isShareOfRows: true };

/**
 * A metric over rows, in two steps: `measure` reduces a row to what the metric needs, and `result` combines measured rows. Measured
 * rows are kept, so that a sample of the rows is scored without measuring them again.
 */
export interface Metric<Reference, Prediction = Reference, Measured = unknown> {
  /** The values that `result` returns, by name. */
  readonly values: Readonly<Record<string, MetricValue>>;
  /**
   * Measures one row.
   * @param row its number from 1, for error messages
   */
  measure(reference: Reference, prediction: Prediction, row: number): Measured;
  /**
   * The values over rows, by name.
   * @param rows as `measure` returned them
   * @param corpus all rows, if `rows` are a sample of them: corpus statistics, such as document frequencies, are taken from it
   * @throws BidoraError `METRIC_ROWS` for no rows
   */
  result(rows: readonly Measured[], corpus?: readonly Measured[]): Readonly<Record<string, number>>;
  /** Remarks without which the result of these rows could be misread, one sentence each. */
  notes?(rows: readonly Measured[]): readonly string[];
  /** The sums that `result` is computed from, for metrics whose values are functions of sums over rows. */
  sums?(corpus: readonly Measured[]): Sums<Measured>;
  /** The metrics that a joint metric consists of, in the order of its measured rows' entries. */
  readonly parts?: readonly OverRows<unknown>[];
}

/** The sums over rows that a metric's values are functions of: scoring a sample of rows then costs only additions. */
export interface Sums<Measured> {
  /** The number of sums. */
  readonly width: number;
  /** Adds a row's contribution. */
  add(row: Measured, sums: Float64Array): void;
  /** The values, by name, for sums over this many rows. @throws BidoraError `METRIC_ROWS` for no rows */
  result(sums: Float64Array, rows: number): Readonly<Record<string, number>>;
}

/** The part of a metric that works on measured rows. */
export type OverRows<Measured> = Pick<Metric<never, never, Measured>, "values" | "result" | "sums" | "parts">;

/** Measures pairs of reference and prediction, and returns the metric's values for them. */
export function score<Reference, Prediction>(
  metric: Metric<Reference, Prediction>,
  pairs: Iterable<readonly [reference: Reference, prediction: Prediction]>,
): Readonly<Record<string, number>> {
  return metric.result(Array.from(pairs, ([reference, prediction], i) => metric.measure(reference, prediction, i + 1)));
}

/** The number of rows, to divide by. @throws BidoraError `METRIC_ROWS` for 0 */
export function atLeastOne(rows: number): number {
  if (rows > 0) return rows;
  throw new BidoraError("METRIC_ROWS", "A metric needs at least one row, got none; evaluate on rows that have labels.");
}

/** @param row its number from 1 @throws BidoraError `METRIC_NOT_FINITE` for NaN and infinities, which no metric is defined for */
export function checkFinite(value: number, what: string, row: number): void {
  if (Number.isFinite(value)) return;
  throw new BidoraError(
    "METRIC_NOT_FINITE",
    `Expected finite ${what}, got ${value} in row ${row}; check its label, and whether the model diverged.`,
  );
}
