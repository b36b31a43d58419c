import { BidoraError } from "../common/errors.js";

/** The number of rows, for a metric to divide by. Throws METRIC_ROWS where it is 0. */
export function atLeastOne(rows: number): number {
  if (rows > 0) return rows;
  throw new BidoraError(
    "METRIC_ROWS",
    "A metric needs at least one row, none came; evaluate on rows that have labels.",
  );
}

/** Throws METRIC_NOT_FINITE, naming the row (from 1), for NaN and infinities: no metric turns them into a figure. */
export function checkFinite(value: number, what: string, row: number): void {
  if (Number.isFinite(value)) return;
  throw new BidoraError(
    "METRIC_NOT_FINITE",
    `Expected finite ${what}, row ${row} is ${value}; a diverged model or a broken label gives such values, look at that row.`,
  );
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Throws METRIC_ROWS for none. */
export const mean = (values: readonly number[]): number => sum(values) / atLeastOne(values.length);
