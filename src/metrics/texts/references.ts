import { BidoraError } from "../../common/errors.js";

/** The references of one row (counted from 1), for a metric to compare with. Throws METRIC_ROWS where there are none. */
export function atLeastOneReference<T>(references: readonly T[], row: number): readonly T[] {
  if (references.length > 0) return references;
  throw new BidoraError(
    "METRIC_ROWS",
    `Expected at least one reference in row ${row}, none came; leave out rows that have nothing to be compared with.`,
  );
}
