import { BidoraError } from "../common/errors.js";

/** Throws METRIC_ROWS unless both sides have the same number of rows, and at least one. */
export function checkRows(references: ArrayLike<unknown>, predictions: ArrayLike<unknown>): void {
  if (references.length !== predictions.length) {
    throw new BidoraError(
      "METRIC_ROWS",
      `A metric needs one prediction a row: ${references.length} references came with ${predictions.length} predictions; pass both for the same rows.`,
    );
  }
  if (references.length === 0) {
    throw new BidoraError(
      "METRIC_ROWS",
      "A metric needs at least one row, none came; evaluate on rows that have labels.",
    );
  }
}

/** Throws METRIC_NOT_FINITE, naming the row (from 1), for NaN and infinities: no metric turns them into a figure. */
export function checkFinite(values: ArrayLike<number>, what: string): void {
  for (let row = 0; row < values.length; row++) {
    if (!Number.isFinite(values[row])) {
      throw new BidoraError(
        "METRIC_NOT_FINITE",
        `Expected finite ${what}, row ${row + 1} is ${values[row]}; a diverged model or a broken label gives such values, look at that row.`,
      );
    }
  }
}
