/** Files of rows: each format by its extension, and the examples in it. */
import { existsSync, statSync } from "node:fs";
import { extname } from "node:path";
import {
  aFunction,
  aSwitch,
  BidoraError,
  byCodePoint,
  type CallContext,
  type Check,
  checkArguments,
  having,
  names,
  oneOf,
  optional,
  options as optionsOf,
  own,
  UsageError,
} from "../../base/index.js";
import type { Texts } from "../../text/index.js";
import type { Dataset, TextExample, WordsExample } from "./example.js";
import { readConll, readConllu } from "./files/conll.js";
import { type ReadLimit, readCsv, readJsonl, readTsv } from "./files/tableFiles.js";
import { fileError, rowError } from "./files/textFile.js";
import {
  aRowSource,
  findLabelColumns,
  findTextColumns,
  findWordsColumn,
  isAbsent,
  oneColumn,
  type RowSource,
  readFlag,
  readStrings,
  readText,
  type Table,
  type TableRow,
  type ValueReader,
} from "./table.js";

/** The columns to read, and whether rows must have labels. */
export interface LoadRowsOptions extends Partial<ColumnOptions> {
  /** Names of the columns of a CSV or TSV file without a header row. */
  readonly header?: readonly string[] | undefined;
}

const aLabelForm = having("a form of labels, such as { read: readName }", "read");
const SOME_NAMES = optional(names);

/** Checks `LoadRowsOptions`. */
export const loadOptions = optionsOf({
  textColumns: SOME_NAMES,
  usualTextColumns: SOME_NAMES,
  labelColumns: SOME_NAMES,
  usualLabelColumns: SOME_NAMES,
  labels: optional(oneOf(["required", "optional"])),
  header: SOME_NAMES,
  dropUnlabeled: optional(aSwitch),
  onNote: optional(aFunction),
} satisfies Record<keyof LoadRowsOptions, Check>);

type TableReader = (file: string, options: TableOptions) => Promise<Table>;
type TableOptions = Pick<LoadRowsOptions, "header" | "onNote"> & ReadLimit;

const TABLES: ReadonlyMap<string, TableReader> = new Map([
  [".jsonl", readJsonl],
  [".json", readJsonl],
  [".csv", readCsv],
  [".tsv", readTsv],
  [".parquet", async (file, options) => (await import("./files/parquet.js")).readParquet(file, options)],
]);
/** Formats whose cells can hold lists. */
const LISTS = [".jsonl", ".json", ".parquet"];
/** Files with one word per line; .tsv only for tasks on words. */
const WORDS = [".conllu", ".conll", ".tsv", ".txt", ".iob2", ".iob", ".bio"];

/** The extensions of files that rows can be in. */
export const ROW_FORMATS: readonly string[] = [...new Set([...TABLES.keys(), ...WORDS])];

/**
 * The rows of a file with one or two texts each, by its extension: .jsonl, .json, .csv, .tsv, .parquet.
 * @throws BidoraError naming the file, line or column at fault
 */
export async function loadTexts<Label>(
  file: RowSource,
  form: LabelForm<Label>,
  options: LoadRowsOptions = {},
): Promise<Dataset<TextExample<Label>>> {
  checkArguments(
    "loadTexts",
    ["file", file, aRowSource],
    ["form", form, aLabelForm],
    ["options", options, loadOptions],
  );
  return textExamples(await loadTable(file, options), form, { labels: "required", ...options });
}

/** A file with named columns, or rows that are in memory. @throws BidoraError naming the file or line at fault */
export async function loadTable(file: RowSource, options: TableOptions = {}): Promise<Table> {
  if (typeof file !== "string") return file;
  const read = TABLES.get(extensionOf(file)) ?? unknownFormat(file, [...TABLES.keys()]);
  return read(file, options);
}

/**
 * The sentences of a file of words, by its extension: .jsonl, .json, .parquet, .conllu, or CoNLL columns (.conll, .tsv, .txt, .iob2, .iob, .bio).
 * @throws BidoraError naming the file, line or column at fault
 */
export async function loadWords(file: RowSource, options: LoadRowsOptions = {}): Promise<Dataset<WordsExample>> {
  checkArguments("loadWords", ["file", file, aRowSource], ["options", options, loadOptions]);
  const columns = { labels: "required", ...options } as const;
  if (typeof file !== "string") return wordsExamples(file, columns);
  const extension = extensionOf(file);
  if (LISTS.includes(extension)) return wordsExamples(await loadTable(file, options), columns);
  if (WORDS.includes(extension)) return { examples: await sentences(file, columns), labelNames: undefined };
  return unknownFormat(file, [...LISTS, ...WORDS]);
}

async function sentences(
  file: string,
  { textColumns, labelColumns, usualLabelColumns, labels }: ColumnOptions,
): Promise<WordsExample[]> {
  const [column] = labelColumns ?? (labels === "required" ? usualLabelColumns : undefined) ?? [];
  if (textColumns !== undefined)
    throw new UsageError(
      `No effect: --text-columns ${textColumns} names no column of ${file}, whose first column has the words.`,
    );
  if (extensionOf(file) === ".conllu") {
    if (column?.toLowerCase() === "form") throw new UsageError(`${file}: the column form has the words, not labels.`);
    return readConllu(file, column);
  }
  if (column !== undefined && !/^\d+$/.test(column)) {
    throw new UsageError(
      `${file} has columns without names: give --label-column as a number, counted from 1, not ${column}.`,
    );
  }
  const read = await readConll(file, { labelColumn: column === undefined ? undefined : Number(column) });
  if (labels === "required" && read.some(({ label }) => label === undefined)) {
    throw new BidoraError("UNKNOWN_COLUMN", `${file} has only a column of words: expected a column of labels too.`);
  }
  return read;
}

/**
 * How the file's extension says that it can be read: as a table, or as one word per line. A .tsv file can be either.
 * @throws BidoraError, UsageError for a missing file, a folder, or another extension
 */
export function formsOfFile(file: string): { readonly isTable: boolean; readonly isWords: boolean } {
  const extension = extensionOf(file);
  const forms = { isTable: TABLES.has(extension), isWords: WORDS.includes(extension) };
  return forms.isTable || forms.isWords ? forms : unknownFormat(file, ROW_FORMATS, "expected");
}

const extensionOf = (file: string): string => extname(file).toLowerCase();

function unknownFormat(file: string, known: readonly string[], who = "this task expects"): never {
  if (!existsSync(file)) throw fileError(file, { code: "ENOENT" });
  if (statSync(file).isDirectory()) throw fileError(file, { code: "EISDIR" });
  throw new UsageError(`${file}: ${who} a file whose name ends in one of ${known.join(", ")}.`);
}

interface ColumnOptions extends UnlabeledOptions {
  readonly textColumns?: readonly string[] | undefined;
  /** Tried before the usual names; so are `usualLabelColumns`. */
  readonly usualTextColumns?: readonly string[] | undefined;
  readonly labelColumns?: readonly string[] | undefined;
  readonly usualLabelColumns?: readonly string[] | undefined;
  /** Optional in rows to predict. */
  readonly labels: "required" | "optional";
}

/** How a task's labels are read from a table. */
export interface LabelForm<Label> {
  /** From one column. */
  readonly read: ValueReader<Label>;
  /** From several 0/1 columns, given the names of those with 1; absent for tasks with one label column. */
  readonly ofNames?: (names: readonly string[]) => Label;
}

/** Rows of one or two texts. @throws BidoraError naming the column or row that doesn't fit */
function textExamples<Label>(
  table: Table,
  form: LabelForm<Label>,
  options: ColumnOptions,
): Dataset<TextExample<Label>> {
  const textColumns = findTextColumns(table, options.textColumns, options.usualTextColumns);
  const labelColumns = textLabelColumns(table, form, options, textColumns);
  const readLabel = labelReader(table, form, labelColumns, options.labels === "optional");
  const examples = labeledRows(table, labelColumns, options).rows.map((row): TextExample<Label> => {
    const input = textColumns.map((column) => readText(table, row, column)) as unknown as Texts;
    return { input, label: readLabel(row), at: { file: table.file, line: row.line } };
  });
  return {
    examples,
    labelNames: labelColumns && labelColumns.length > 1 ? [...labelColumns].sort(byCodePoint) : undefined,
    columns: { text: textColumns, label: labelColumns },
  };
}

/** Rows of words with a label for each. @throws BidoraError naming the column or row that doesn't fit */
export function wordsExamples(table: Table, options: ColumnOptions): Dataset<WordsExample> {
  const column = findWordsColumn(table, options.textColumns, options.usualTextColumns);
  const optional = options.labels === "optional";
  const { labelColumns, usualLabelColumns: first } = options;
  const found = findLabelColumns(table, labelColumns, { words: true, optional, first, texts: [column] });
  const [labelColumn] = oneColumn(found) ?? [];
  const examples = labeledRows(table, found, options).rows.map((row): WordsExample => {
    const tokens = readStrings(table, row, column);
    const absent = labelColumn === undefined || (optional && isAbsent(own(row.values, labelColumn)));
    const labels = absent ? undefined : readStrings(table, row, labelColumn);
    if (labels !== undefined && labels.length !== tokens.length) {
      throw rowError(table.file, row.line, `${labels.length} labels for ${tokens.length} words: each word needs one.`);
    }
    return { input: tokens, label: labels, at: { file: table.file, line: row.line } };
  });
  return {
    examples,
    labelNames: undefined,
    columns: { text: [column], label: labelColumn === undefined ? undefined : [labelColumn] },
  };
}

function textLabelColumns<Label>(
  table: Table,
  form: LabelForm<Label>,
  { labelColumns, usualLabelColumns: first, labels }: ColumnOptions,
  texts: readonly string[],
): readonly string[] | undefined {
  const found = findLabelColumns(table, labelColumns, { optional: labels === "optional", first, texts });
  return form.ofNames ? found : oneColumn(found);
}

function labelReader<Label>(
  table: Table,
  { read, ofNames }: LabelForm<Label>,
  columns: readonly string[] | undefined,
  optional: boolean,
): (row: TableRow) => Label | undefined {
  const [column, ...more] = columns ?? [];
  if (columns === undefined || column === undefined) return () => undefined;
  if (more.length > 0 && ofNames) return (row) => ofNames(columns.filter((name) => readFlag(table, row, name)));
  return (row) => (optional && isAbsent(own(row.values, column)) ? undefined : read(table, row, column));
}

/** Whether rows need labels, and what becomes of those without one. */
export interface UnlabeledOptions extends Pick<CallContext, "onNote"> {
  /** By default required. */
  readonly labels?: "required" | "optional";
  /** Leaves rows without a label out, with a note, instead of refusing them; undefined where the user has no such choice. */
  readonly dropUnlabeled?: boolean | undefined;
}

/** How many lines a message names. */
const NAMED_LINES = 5;

/**
 * The rows with a label, where labels are required.
 * @param columns of the label: a row without a value in any of them has none
 * @throws BidoraError `NO_LABEL` naming the first rows without one, if they are not dropped, or there are no others
 */
export function labeledRows(
  table: Table,
  columns: readonly string[] = [],
  { labels = "required", dropUnlabeled, onNote }: UnlabeledOptions,
): Table {
  const { file, rows } = table;
  if (labels === "optional" || columns.length === 0) return table;
  const isLabeled = ({ values }: Table["rows"][number]) => columns.some((name) => !isAbsent(own(values, name)));
  const without = rows.filter((row) => !isLabeled(row)).map(({ line }) => line);
  if (without.length === 0) return table;
  const where = columns.length === 1 ? `in the column ${columns[0]}` : `in the columns ${columns.join(", ")}`;
  if (without.length === rows.length)
    throw noLabel(file, `no row has a label ${where}: name another column with --label-column.`);
  const lines = `${without.slice(0, NAMED_LINES).join(", ")}${without.length > NAMED_LINES ? ", …" : ""}`;
  const [have, lineOr] = without.length === 1 ? ["has", "line"] : ["have", "lines"];
  const found = `${without.length} of ${rows.length} rows ${have} no label ${where} (${lineOr} ${lines})`;
  if (dropUnlabeled) {
    onNote?.(`${file}: ${found}; ${without.length === 1 ? "it is" : "they are"} left out.`);
    return { ...table, rows: rows.filter(isLabeled) };
  }
  const or = dropUnlabeled === undefined ? "remove these rows" : "leave these rows out with --drop-unlabeled";
  throw noLabel(file, `${found}: write the labels, or ${or}.`);
}

const noLabel = (file: string, fault: string): BidoraError => new BidoraError("NO_LABEL", `${file}: ${fault}`);
