import { BidoraError } from "../common/errors.js";
import { oneLine, printable, printableJson } from "../common/messages.js";
import { stderr, stdout } from "./streams.js";

/** Where a command prints: results to stdout, what is for people to stderr. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** A line for people; silent with `--quiet`. */
  note(line: string): void;
  /** A result: the value as one JSON line with `--json`, else the text. */
  result(value: unknown, text: string): void;
}

export function createOutput({ json = false, quiet = false }): Output {
  return {
    json,
    quiet,
    note: (line) => {
      if (!quiet) stderr.write(`${printable(line)}\n`);
    },
    result: (value, text) => {
      stdout.write(`${json ? printableJson(value) : printable(text)}\n`);
    },
  };
}

/** One sentence for what a user can mend; the stack trace only on request. */
export function reportError(error: unknown, debug = false): 1 | 2 {
  const known = error instanceof Error ? error : new Error(String(error));
  const message = known.message.split("\n")[0] || known.name;
  const frames = known.stack?.match(/(\n +at .*)+$/)?.[0] ?? "";
  stderr.write(printable(debug ? `${known.name}: ${known.message}${frames}\n` : `bidora: ${message}\n`));
  return known instanceof BidoraError ? known.exitStatus : 1;
}

/** Rows as columns of equal width; numbers stand to the right, with four decimals unless they are whole. */
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
