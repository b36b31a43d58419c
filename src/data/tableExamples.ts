import { UsageError } from "../common/errors.js";
import { own } from "../common/own.js";
import { findLabelColumns, findTextColumns, findWordsColumn } from "./columns.js";
import type { Dataset, TextExample, WordsExample } from "./example.js";
import { byCodePoint } from "./labels.js";
import type { Table, TableRow } from "./table.js";
import { type TaskKind, tasks } from "./task.js";
import { rowError } from "./textFile.js";

export interface ColumnOptions {
  readonly textColumns?: readonly string[] | undefined;
  /** The first choice among the usual names; as is `usualLabelColumns`. */
  readonly usualTextColumns?: readonly string[] | undefined;
  readonly labelColumns?: readonly string[] | undefined;
  readonly usualLabelColumns?: readonly string[] | undefined;
  /** Rows to predict need no label. */
  readonly labels: "required" | "optional";
}

/** Rows of one or two texts. @throws BidoraError naming the column or row that doesn't fit the task. */
export function textExamples(table: Table, task: TaskKind, options: ColumnOptions): Dataset<TextExample> {
  const textColumns = findTextColumns(table, options.textColumns, options.usualTextColumns);
  const labelColumns = labelColumnsOf(table, task, { ...options, textColumns });
  const oneHot = task === "multi-label-classification" && labelColumns !== undefined && labelColumns.length > 1;
  const readLabel = labelReader(task, labelColumns);
  const examples = table.rows.map((row): TextExample => {
    const texts = textColumns.map((column) => text(table, row, column)) as [string] | [string, string];
    const label = readLabel(table, row, options.labels === "optional");
    return { kind: "text", texts, label, at: { file: table.file, line: row.line } };
  });
  return {
    examples,
    labelNames: oneHot ? [...labelColumns].sort(byCodePoint) : undefined,
    columns: { text: textColumns, label: labelColumns },
  };
}

/** Rows of words, with a label for each. @throws BidoraError naming the column or row that doesn't fit. */
export function wordsExamples(table: Table, options: ColumnOptions): Dataset<WordsExample> {
  const column = findWordsColumn(table, options.textColumns, options.usualTextColumns);
  const labelColumn = labelColumnsOf(table, "token-classification", { ...options, textColumns: [column] })?.[0];
  const examples = table.rows.map((row): WordsExample => {
    const tokens = strings(table, row, column);
    const absent =
      labelColumn === undefined || (options.labels === "optional" && isAbsent(own(row.values, labelColumn)));
    const labels = absent ? undefined : strings(table, row, labelColumn);
    if (labels !== undefined && labels.length !== tokens.length) {
      throw rowError(table.file, row.line, `${labels.length} labels for ${tokens.length} words: each word needs one.`);
    }
    return { kind: "words", tokens, labels, at: { file: table.file, line: row.line } };
  });
  return {
    examples,
    labelNames: undefined,
    columns: { text: [column], label: labelColumn === undefined ? undefined : [labelColumn] },
  };
}

function labelColumnsOf(table: Table, task: TaskKind, options: ColumnOptions): readonly string[] | undefined {
  if (tasks[task].label === "nothing") return undefined;
  const words = tasks[task].rows === "words";
  const optional = options.labels === "optional";
  const { labelColumns, usualLabelColumns: first, textColumns: texts = [] } = options;
  const columns = findLabelColumns(table, labelColumns, { words, optional, first, texts });
  if (columns !== undefined && columns.length !== 1 && task !== "multi-label-classification") {
    throw new UsageError(
      `The task ${task} has one label column, but ${columns.length} are named: ${columns.join(", ")}.`,
    );
  }
  return columns;
}

type Label = TextExample["label"];
type LabelReader = (table: Table, row: TableRow, optional: boolean) => Label;

const LABELS: Readonly<Record<TaskKind, (table: Table, row: TableRow, column: string) => Label>> = {
  "sequence-classification": name,
  "multi-label-classification": strings,
  regression: number,
  "token-classification": strings,
  "causal-lm": () => undefined,
};

function labelReader(task: TaskKind, columns: readonly string[] | undefined): LabelReader {
  const [column, ...more] = columns ?? [];
  if (columns === undefined || column === undefined) return () => undefined;
  if (more.length > 0) return (table, row) => columns.filter((name) => flag(table, row, name));
  return (table, row, optional) =>
    optional && isAbsent(own(row.values, column)) ? undefined : LABELS[task](table, row, column);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

function text(table: Table, row: TableRow, column: string): string {
  const value = own(row.values, column);
  return typeof value === "string" ? value : fail(table, row, column, "a text");
}

function name(table: Table, row: TableRow, column: string): string | number {
  const value = own(row.values, column);
  const fits = (typeof value === "string" && value !== "") || Number.isSafeInteger(value);
  return fits ? (value as string | number) : fail(table, row, column, "a label's name or whole number");
}

function number(table: Table, row: TableRow, column: string): number {
  const value = own(row.values, column);
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed : fail(table, row, column, "a number");
}

function strings(table: Table, row: TableRow, column: string): string[] {
  const value = own(row.values, column);
  const fits = Array.isArray(value) && value.every((v) => typeof v === "string" || Number.isSafeInteger(v));
  return fits ? value.map(String) : fail(table, row, column, "a list of strings");
}

function flag(table: Table, row: TableRow, column: string): boolean {
  const value = own(row.values, column);
  if (["0", 0, false].includes(value as string)) return false;
  if (["1", 1, true].includes(value as string)) return true;
  return fail(table, row, column, "0 or 1");
}

function fail(table: Table, row: TableRow, column: string, expected: string): never {
  const value = own(row.values, column);
  const came = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value)).slice(0, 60);
  throw rowError(table.file, row.line, `the column ${column} must hold ${expected}, but holds ${came}.`);
}
