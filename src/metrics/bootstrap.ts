import { quantile } from "d3-array";
import { own } from "../common/own.js";
import type { OverRows } from "./metric.js";
import { areEnough, type BootstrapOptions, checkBootstrap, drawnRows, resultOfDrawn } from "./resamples.js";

/** Where a value lies, both ends included. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Confidence intervals for every value of a metric by the percentile bootstrap (Efron & Tibshirani 1993, ch. 13): rows are
 * drawn anew with replacement, as many as there are, and the interval reaches from the (1 − c)/2 to the (1 + c)/2 quantile of
 * what the metric gives on them (quantiles between two values interpolated, as numpy and `scipy.stats.bootstrap` do).
 *
 * Resamples in which a value is not a finite number are left out for that value. An interval is null where that is so in more
 * than one in twenty, where the value over all rows is not finite, and for a single row, which says nothing about spread.
 * @throws BidoraError `METRIC_ROWS` for no rows
 * @throws UsageError for options that no bootstrap can be drawn by
 */
export function bootstrapIntervals<Measured>(
  metric: OverRows<Measured>,
  rows: readonly Measured[],
  options: BootstrapOptions,
): Readonly<Record<string, Interval | null>> {
  const settings = checkBootstrap(options);
  const whole = Object.entries(metric.result(rows, rows));
  const values = new Map(whole.map(([name]): [string, number[]] => [name, []]));
  for (const drawn of drawnRows(rows.length, settings)) {
    const result = resultOfDrawn(metric, rows, drawn);
    for (const [name, found] of values) pushFinite(found, own(result, name));
  }
  return Object.fromEntries(
    whole.map(([name, value]) => {
      const found = values.get(name)!;
      const isKnown = rows.length > 1 && Number.isFinite(value) && areEnough(found.length, settings.resamples);
      return [name, isKnown ? percentiles(found, settings.confidence) : null];
    }),
  );
}

/** The interval that holds the given share of the values, with as many below as above it. */
export function percentiles(values: readonly number[], confidence: number): Interval {
  const tail = (1 - confidence) / 2;
  return { low: quantile(values, tail)!, high: quantile(values, 1 - tail)! };
}

function pushFinite(values: number[], value: number | undefined): void {
  if (value !== undefined && Number.isFinite(value)) values.push(value);
}
