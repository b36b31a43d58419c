/** What a text metric is, and the checks that all share. */

/** Whether higher or lower values are better. */
export type Goal = "maximize" | "minimize";

/** A metric of texts, each compared with all references of its row. What `measure` returns for a row can be kept, so that subsets of the rows are scored without measuring again. */
export interface TextMetric<Measured = unknown> {
  /** The values that `result` returns, by name. */
  readonly values: Readonly<Record<string, { readonly goal: Goal }>>;
  /**
   * Measures one row.
   * @param row its number from 1, for error messages
   * @throws TextMetricError `METRIC_ROWS` for a row without references
   */
  measure(references: readonly string[], prediction: string, row: number): Measured;
  /**
   * The values over rows.
   * @param rows as `measure` returned them
   * @param corpus all rows, if `rows` are a sample of them: NIST and CIDEr take n-gram statistics from it
   * @throws TextMetricError `METRIC_ROWS` for no rows
   */
  result(rows: readonly Measured[], corpus?: readonly Measured[]): Readonly<Record<string, number>>;
}

/** An error for the user: one sentence that says what was expected, what was given and what to do. */
export class TextMetricError extends Error {
  override readonly name = "TextMetricError";

  constructor(
    readonly code: "METRIC_ROWS" | "WORDNET_MISSING",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const MORE_IS_BETTER = { goal: "maximize" } as const;

/** The number of rows, for a metric to divide by. @throws TextMetricError `METRIC_ROWS` for 0 */
export function atLeastOne(rows: number): number {
  if (rows > 0) return rows;
  throw new TextMetricError("METRIC_ROWS", "A metric needs at least one row, got none; score at least one text.");
}

/** The references of one row, which is counted from 1. @throws TextMetricError `METRIC_ROWS` if there are none */
export function atLeastOneReference(references: readonly string[], row: number): readonly string[] {
  if (references.length > 0) return references;
  throw new TextMetricError(
    "METRIC_ROWS",
    `Expected at least one reference in row ${row}, got none; leave out rows without references.`,
  );
}
