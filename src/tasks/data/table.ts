/** Rows with named columns: how the columns of a task are found, and how values are read from them. */
import {
  aName,
  BidoraError,
  checkArguments,
  firstRepeated,
  having,
  isObject,
  own,
  takes,
  UsageError,
} from "../../base/index.js";
import { HAS_LONE_SURROGATE, isWellFormed } from "../../text/index.js";
import { IN_MEMORY } from "./example.js";
import { rowError } from "./files/textFile.js";

/** The contents of a CSV, TSV, JSONL or Parquet file. */
export interface Table {
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly TableRow[];
}

/** The values of a row by column. */
export interface TableRow {
  /** From 1; in Parquet files the row's number. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The path of a file with rows, or rows that are in memory. */
export type RowSource = string | Table;

const aTable = having("a table", "file");
export const aRowSource = takes(
  "a path, or a table",
  (value) => (typeof value === "string" && value !== "") || (isObject(value) && "columns" in value && "rows" in value),
);
const aTableRow = having("a row of a table", "values", "line");

/** Reads one value of a row. @throws BidoraError naming the row, for a value of another type */
export type ValueReader<Value> = (table: Table, row: TableRow, column: string) => Value;

/** Rows in memory as a table: the columns are all keys that occur. */
export function rowsTable(rows: readonly TableRow["values"][]): Table {
  return {
    file: IN_MEMORY,
    columns: [...new Set(rows.flatMap((values) => Object.keys(values)))],
    rows: rows.map((values, i) => ({ line: i + 1, values })),
  };
}

export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "string" && value.trim() === "");
}

export const readText: ValueReader<string> = (table, row, column) => {
  const value = own(row.values, column);
  if (typeof value !== "string") return fail(table, row, column, "a string");
  requireWellFormed(table, row, column, value);
  return value;
};

/** A tokenizer would silently replace half a surrogate pair. */
function requireWellFormed({ file }: Table, { line }: TableRow, column: string, text: string): void {
  if (isWellFormed(text)) return;
  throw rowError(file, line, `the column ${column} ${HAS_LONE_SURROGATE}.`);
}

/** A label's name or number. */
export const readName: ValueReader<string | number> = (table, row, column) => {
  checkArguments("readName", ["table", table, aTable], ["row", row, aTableRow], ["column", column, aName]);
  const value = own(row.values, column);
  const fits = (typeof value === "string" && value !== "") || Number.isSafeInteger(value);
  return fits ? (value as string | number) : fail(table, row, column, "a label's name or whole number");
};

/** Whether a value is a number as it is written where the comma is the decimal sign. */
export const hasDecimalComma = (value: unknown): boolean =>
  typeof value === "string" && /^\s*[+-]?\d+,\d+\s*$/.test(value);

/** A number, or a string that holds one. */
export const readNumber: ValueReader<number> = (table, row, column) => {
  checkArguments("readNumber", ["table", table, aTable], ["row", row, aTableRow], ["column", column, aName]);
  const value = own(row.values, column);
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof parsed === "number" && Number.isFinite(parsed)) return parsed;
  return fail(table, row, column, hasDecimalComma(value) ? "a number with a point in place of the comma" : "a number");
};

export const readStrings: ValueReader<string[]> = (table, row, column) => {
  const value = own(row.values, column);
  const fits = Array.isArray(value) && value.every((v) => typeof v === "string" || Number.isSafeInteger(v));
  if (!fits) return fail(table, row, column, "a list of strings");
  for (const text of value) requireWellFormed(table, row, column, String(text));
  return value.map(String);
};

/** Any number of labels. A repeated label suggests 0/1 flags instead of names. */
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

/** A value in an error: as JSON, or why it is not a number that is read exactly. */
export function written(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint" || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    return `${value}: whole numbers are exact up to ${Number.MAX_SAFE_INTEGER} only`;
  if (value === Infinity || value === -Infinity)
    return `${value}: numbers are at most about ${Number.MAX_VALUE.toPrecision(2)}`;
  if (Number.isNaN(value)) return "NaN";
  if (value instanceof Uint8Array) return "bytes that are not UTF-8 text";
  const json = JSON.stringify(value, (_, part) => (typeof part === "bigint" ? String(part) : part)) ?? String(value);
  return json.slice(0, 60);
}

/** Pairs come before single texts, so that a file with `sentence1`, `sentence2` and `text` counts as pairs. */
const TEXTS: readonly (readonly string[])[] = [
  ["sentence1", "sentence2"],
  ["premise", "hypothesis"],
  ["question1", "question2"],
  ["question", "sentence"],
  ["question", "passage"],
  ["text1", "text2"],
  ["text_a", "text_b"],
  ["sentence"],
  ["text"],
  ["sequence"],
  ["content"],
];
const WORDS: readonly (readonly string[])[] = [["tokens"], ["words"]];
const LABEL: readonly (readonly string[])[] = [["label"], ["labels"], ["score"], ["target"], ["class"]];
const WORD_LABELS: readonly (readonly string[])[] = [["labels"], ["ner_tags"], ["tags"], ["upos"], ["pos_tags"]];

type Names = readonly string[] | undefined;

/** The one or two text columns: those given, else `first`, else the usual names. @throws BidoraError listing the columns */
export function findTextColumns(table: Table, given: Names, first?: Names): readonly string[] {
  const found = given ?? findColumns(table, first ? [first, ...TEXTS] : TEXTS);
  if (found === undefined) throw notFound(table, "the text", "--text-columns");
  if (found.length < 1 || found.length > 2) {
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `Expected one or two text columns, but got ${found.length}: ${found.join(", ")}.`,
    );
  }
  return requireColumns(table, found);
}

/** The column with the words of a row. @throws BidoraError listing the columns */
export function findWordsColumn(table: Table, given: Names, first?: Names): string {
  const found = given ?? findColumns(table, first ? [first, ...WORDS] : WORDS);
  if (found === undefined) throw notFound(table, "the words", "--text-columns");
  if (found.length !== 1)
    throw new BidoraError("UNKNOWN_COLUMN", `Expected one column of words, but got ${found.length}.`);
  return requireColumns(table, found)[0]!;
}

interface LabelSearch {
  readonly words?: boolean;
  readonly optional?: boolean;
  readonly first?: Names;
  /** The text columns, which cannot be label columns. */
  readonly texts?: readonly string[];
}

/**
 * The label column, or several 0/1 columns: those given, else `first`, else the usual names; undefined if `optional` and missing.
 * @throws BidoraError listing the columns
 */
export function findLabelColumns(
  table: Table,
  given: readonly string[] | undefined,
  { words = false, optional = false, first, texts = [] }: LabelSearch,
): readonly string[] | undefined {
  if (given !== undefined) {
    checkOwn(given, texts);
    return optional && !given.every((name) => table.columns.includes(name)) ? undefined : requireColumns(table, given);
  }
  const usual = words ? WORD_LABELS : LABEL;
  const groups = first ? [first, ...usual] : usual;
  const found = findColumns(
    table,
    groups.filter((names) => !names.some((name) => texts.includes(name))),
  );
  if (found === undefined && !optional)
    throw notFound(table, words ? "the words' labels" : "the label", "--label-column");
  return found;
}

/** The label must not be part of the input. */
function checkOwn(given: readonly string[], texts: readonly string[]): void {
  const shared = given.find((name) => texts.includes(name));
  if (shared !== undefined)
    throw new UsageError(`The column ${shared} is given for both text and label: name another with --label-column.`);
  const twice = firstRepeated(given);
  if (twice !== undefined) throw new UsageError(`--label-column has ${twice} twice: name each column once.`);
}

/** @throws UsageError for several columns */
export function oneColumn(columns: readonly string[] | undefined): readonly string[] | undefined {
  if (columns === undefined || columns.length === 1) return columns;
  throw new UsageError(`The task has one label column, but ${columns.length} are named: ${columns.join(", ")}.`);
}

type Columns = Pick<Table, "columns">;

/** The first group of names that are all columns of the table. */
export function findColumns(table: Columns, groups: readonly (readonly string[])[]): Names {
  return groups.find((group) => group.every((name) => table.columns.includes(name)));
}

/** The text columns by their usual names; undefined if there are none. */
export const usualTextColumns = (table: Columns): Names => findColumns(table, TEXTS);

/** The column of words by its usual names; undefined if there is none. */
export const usualWordsColumn = (table: Columns): string | undefined => findColumns(table, WORDS)?.[0];

/** Every column with a usual name for a label, or for words' labels, in the order of preference. */
export const usualLabelColumns = ({ columns }: Columns, words = false): readonly string[] =>
  (words ? WORD_LABELS : LABEL).flat().filter((name) => columns.includes(name));

/** @throws BidoraError `UNKNOWN_COLUMN` for a name that is no column of the table */
export function requireColumns(table: Table, names: readonly string[]): readonly string[] {
  const missing = names.find((name) => !table.columns.includes(name));
  if (missing === undefined) return names;
  throw new BidoraError("UNKNOWN_COLUMN", `${table.file} has no column ${missing}; its columns are ${list(table)}.`);
}

function notFound(table: Table, what: string, flag: string): BidoraError {
  return new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: no column has a usual name for ${what}; the columns are ${list(table)}: name one with ${flag}.`,
  );
}

/** In a file without a header row, column names can be long texts. */
function list({ columns }: Table): string {
  return columns.map((name) => (name.length > 40 ? `${name.slice(0, 40)}…` : name)).join(", ");
}
