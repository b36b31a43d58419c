/** Tables of plain text, for results that people read. */

import { oneLine } from "../common/messages.js";
import type { Metrics } from "../files/metrics.js";
import type { ConfidenceInterval } from "../metrics/index.js";

/** Rows in columns of equal width. Columns of numbers are aligned to the right, with four decimals unless all are whole. */
export function formatTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [header, ...rows].map((row) => row.map(formatCell));
  const widths = header.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, (row[column] ?? "").length), 0),
  );
  const isNumber = header.map((_, column) => rows.every((row) => typeof row[column] === "number"));
  const line = (row: readonly string[]): string =>
    row.map((cell, c) => (isNumber[c] ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0))).join("  ");
  return cells.map((row) => line(row).trimEnd()).join("\n");
}

const formatCell = (value: string | number): string =>
  typeof value === "string" ? oneLine(value) : Number.isInteger(value) ? String(value) : value.toFixed(4);

/** Metrics as a table, with their confidence intervals if there are any. */
export function formatMetrics(
  metrics: Metrics,
  intervals?: Readonly<Record<string, ConfidenceInterval | null>>,
): string {
  const rows = Object.entries(metrics);
  if (!intervals) return formatTable(["metric", "value"], rows);
  return formatTable(
    ["metric", "value", "from", "to", "by"],
    rows.map(([name, value]) => {
      const { low = "", high = "", method = "" } = intervals[name] ?? {};
      return [name, value, low, high, method];
    }),
  );
}
