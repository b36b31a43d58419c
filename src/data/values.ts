/** What stands in one column of one row of a table. */

import { aName, checkArguments } from "../common/arguments.js";
import { firstRepeated, own } from "../common/collections.js";
import { HAS_HALF, isWhole } from "../text/index.js";
import { aTable, aTableRow } from "./arguments.js";
import type { Table, TableRow } from "./table.js";
import { rowError } from "./textFile.js";

/** Reads one value of a row. @throws BidoraError naming the row whose value is of another kind */
export type ValueReader<Value> = (table: Table, row: TableRow, column: string) => Value;

export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

export const readText: ValueReader<string> = (table, row, column) => {
  const value = own(row.values, column);
  if (typeof value !== "string") return fail(table, row, column, "a text");
  requireWhole(table, row, column, value);
  return value;
};

/** A tokenizer would put another character in the place of a half, without a word. */
function requireWhole({ file }: Table, { line }: TableRow, column: string, text: string): void {
  if (isWhole(text)) return;
  throw rowError(file, line, `the column ${column} ${HAS_HALF}.`);
}

/** A label's name, or its number. */
export const readName: ValueReader<string | number> = (table, row, column) => {
  checkArguments("readName", ["table", table, aTable], ["row", row, aTableRow], ["column", column, aName]);
  const value = own(row.values, column);
  const fits = (typeof value === "string" && value !== "") || Number.isSafeInteger(value);
  return fits ? (value as string | number) : fail(table, row, column, "a label's name or whole number");
};

/** A number, or a text that is one. */
export const readNumber: ValueReader<number> = (table, row, column) => {
  checkArguments("readNumber", ["table", table, aTable], ["row", row, aTableRow], ["column", column, aName]);
  const value = own(row.values, column);
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed : fail(table, row, column, "a number");
};

export const readStrings: ValueReader<string[]> = (table, row, column) => {
  const value = own(row.values, column);
  const fits = Array.isArray(value) && value.every((v) => typeof v === "string" || Number.isSafeInteger(v));
  if (!fits) return fail(table, row, column, "a list of strings");
  for (const text of value) requireWhole(table, row, column, String(text));
  return value.map(String);
};

/** The labels of a row that may have any number of them. A label twice is a 0 or 1 for each label rather than a name. */
export const readLabels: ValueReader<string[]> = (table, row, column) => {
  const labels = readStrings(table, row, column);
  const twice = firstRepeated(labels);
  if (twice === undefined) return labels;
  throw rowError(
    table.file,
    row.line,
    `the column ${column} has the label ${JSON.stringify(twice)} twice: list each of the row's labels once. If these are 0/1 flags, use one column per label and name them all: --label-column a,b,c.`,
  );
};

export const readFlag: ValueReader<boolean> = (table, row, column) => {
  const value = own(row.values, column);
  if (["0", 0, false].includes(value as string)) return false;
  if (["1", 1, true].includes(value as string)) return true;
  return fail(table, row, column, "0 or 1");
};

export function fail(table: Table, row: TableRow, column: string, expected: string): never {
  const value = own(row.values, column);
  throw rowError(table.file, row.line, `the column ${column} must hold ${expected}, but holds ${written(value)}.`);
}

/** As JSON, which has no numbers that a JavaScript number can't hold. */
export function written(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint" || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    return `${value}: whole numbers are exact up to ${Number.MAX_SAFE_INTEGER} only`;
  if (value === Infinity || value === -Infinity)
    return `${value}: numbers are at most about ${Number.MAX_VALUE.toPrecision(2)}`;
  if (Number.isNaN(value)) return "NaN";
  if (value instanceof Uint8Array) return "bytes that are no text in UTF-8";
  const json = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? String(part) : part)) ?? String(value);
  return json.slice(0, 60);
}
