import { existsSync, statSync } from "node:fs";
import { extname } from "node:path";
import {
  aText,
  type Check,
  checkArguments,
  names,
  oneOf,
  optional,
  options as optionsOf,
} from "../common/arguments.js";
import { BidoraError, UsageError } from "../common/errors.js";
import { aLabelForm } from "./arguments.js";
import { readConll } from "./conll.js";
import { readConllu } from "./conllu.js";
import { readCsv, readTsv } from "./csv.js";
import type { Dataset, TextExample, WordsExample } from "./example.js";
import { readJsonl } from "./jsonl.js";
import type { Table } from "./table.js";
import { type ColumnOptions, type LabelForm, textExamples, wordsExamples } from "./tableExamples.js";
import { fileError } from "./textFile.js";

/** Which columns hold what, and whether rows must have labels. */
export interface LoadOptions extends Partial<ColumnOptions> {
  /** Names of the columns of a CSV or TSV file without a header row. */
  readonly header?: readonly string[] | undefined;
}

const SOME_NAMES = optional(names);

/** What calls take as `LoadOptions`. */
export const loadOptions = optionsOf({
  textColumns: SOME_NAMES,
  usualTextColumns: SOME_NAMES,
  labelColumns: SOME_NAMES,
  usualLabelColumns: SOME_NAMES,
  labels: optional(oneOf(["required", "optional"])),
  header: SOME_NAMES,
} satisfies Record<keyof LoadOptions, Check>);

type TableReader = (file: string, options: Pick<LoadOptions, "header">) => Promise<Table>;

const TABLES: ReadonlyMap<string, TableReader> = new Map([
  [".jsonl", readJsonl],
  [".json", readJsonl],
  [".csv", readCsv],
  [".tsv", readTsv],
  [".parquet", async (file) => (await import("./parquet.js")).readParquet(file)],
]);
/** Tables whose cells can hold lists. */
const LISTS = [".jsonl", ".json", ".parquet"];
/** Columns of words, whatever the file is called; .tsv only where words are wanted. */
const COLUMNS = [".conll", ".tsv", ".txt", ".iob2", ".iob", ".bio"];

/**
 * The rows of a file of one or two texts, read by its extension: .jsonl, .csv, .tsv, .parquet.
 * @throws BidoraError naming the file, line or column at fault
 */
export async function loadTexts<Label>(
  file: string,
  form: LabelForm<Label>,
  options: LoadOptions = {},
): Promise<Dataset<TextExample<Label>>> {
  checkArguments("loadTexts", ["file", file, aText], ["form", form, aLabelForm], ["options", options, loadOptions]);
  return textExamples(await loadTable(file, options), form, { labels: "required", ...options });
}

/** A file of named columns, whatever stands in them. @throws BidoraError naming the file or line at fault */
export function loadTable(file: string, options: Pick<LoadOptions, "header"> = {}): Promise<Table> {
  const read = TABLES.get(extensionOf(file)) ?? unknownFormat(file, [...TABLES.keys()]);
  return read(file, options);
}

/**
 * The rows of a file of words, read by its extension: .jsonl, .parquet, .conllu, or CoNLL columns (.conll, .tsv, .txt, .iob2).
 * @throws BidoraError naming the file, line or column at fault
 */
export async function loadWords(file: string, options: LoadOptions = {}): Promise<Dataset<WordsExample>> {
  checkArguments("loadWords", ["file", file, aText], ["options", options, loadOptions]);
  const extension = extensionOf(file);
  const columns = { labels: "required", ...options } as const;
  if (LISTS.includes(extension)) return wordsExamples(await loadTable(file, options), columns);
  if (extension === ".conllu" || COLUMNS.includes(extension))
    return { examples: await sentences(file, columns), labelNames: undefined };
  return unknownFormat(file, [".jsonl", ".parquet", ".conllu", ...COLUMNS]);
}

async function sentences(
  file: string,
  { textColumns, labelColumns, usualLabelColumns, labels }: ColumnOptions,
): Promise<WordsExample[]> {
  const [column] = labelColumns ?? (labels === "required" ? usualLabelColumns : undefined) ?? [];
  if (textColumns !== undefined)
    throw new UsageError(
      `No effect: --text-columns ${textColumns} names no column of ${file}, where words come first.`,
    );
  if (extensionOf(file) === ".conllu") {
    if (column?.toLowerCase() === "form") throw new UsageError(`${file}: the column form holds the words, not labels.`);
    return readConllu(file, column);
  }
  if (column !== undefined && !/^\d+$/.test(column)) {
    throw new UsageError(
      `${file} has columns without names: give --label-column as a number, counted from 1, not ${column}.`,
    );
  }
  const read = await readConll(file, { labelColumn: column === undefined ? undefined : Number(column) });
  if (labels === "required" && read.some(({ label }) => label === undefined)) {
    throw new BidoraError("UNKNOWN_COLUMN", `${file} has words alone: a column of labels is expected beside them.`);
  }
  return read;
}

const extensionOf = (file: string): string => extname(file).toLowerCase();

function unknownFormat(file: string, known: readonly string[]): never {
  if (!existsSync(file)) throw fileError(file, { code: "ENOENT" });
  if (statSync(file).isDirectory()) throw fileError(file, { code: "EISDIR" });
  throw new UsageError(`${file}: a file whose name ends in one of ${known.join(", ")} is expected for this task.`);
}
