/** The rows that runs were scored on, which are named where scores of different rows stand side by side. */
import type { RunSettings } from "../../../tasks/config/index.js";

/** The settings that say which rows a run was scored on. */
export type OfRows = Pick<RunSettings, "train" | "data" | "validation" | "test" | "holdoutFraction">;

/** The file of the rows, or from which they were held out; undefined without any. @param metric whose name says which rows it is of */
function scoredRows({ train, data, validation, test, holdoutFraction }: OfRows, metric: string): string | undefined {
  if (metric.startsWith("test_")) return test ?? data;
  return validation ?? (holdoutFraction === undefined ? data : `rows held out of ${train ?? data}`);
}

/** What to write behind a score of a run, if not all of the listed runs were scored on the same rows. */
export function rowsNote(run: OfRows, listed: readonly OfRows[], metric: string): string | undefined {
  const isSame = new Set(listed.map((one) => scoredRows(one, metric))).size < 2;
  const rows = scoredRows(run, metric);
  return isSame || rows === undefined ? undefined : `on ${rows}`;
}
