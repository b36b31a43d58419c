import { existsSync, statSync } from "node:fs";
import { extname } from "node:path";
import { BidoraError, UsageError } from "../common/errors.js";
import { readConll } from "./conll.js";
import { readConllu } from "./conllu.js";
import { readCsv, readTsv } from "./csv.js";
import type { Dataset, WordsExample } from "./example.js";
import { readJsonl } from "./jsonl.js";
import type { Table } from "./table.js";
import { type ColumnOptions, textExamples, wordsExamples } from "./tableExamples.js";
import { type TaskKind, tasks } from "./task.js";
import { fileError } from "./textFile.js";

export interface LoadOptions extends Partial<ColumnOptions> {
  readonly task: TaskKind;
  /** Names of the columns of a CSV or TSV file without a header row. */
  readonly header?: readonly string[] | undefined;
}

type TableReader = (file: string, options: LoadOptions) => Promise<Table>;

const TABLES: ReadonlyMap<string, TableReader> = new Map([
  [".jsonl", readJsonl],
  [".json", readJsonl],
  [".csv", readCsv],
  [".tsv", readTsv],
  [".parquet", async (file) => (await import("./parquet.js")).readParquet(file)],
]);
/** Columns of words, whatever the file is called; .tsv only where words are wanted. */
const CONLL = [".conll", ".tsv", ".txt", ".iob2", ".iob", ".bio"];

/**
 * The rows of a file, read by its extension: .jsonl, .csv, .tsv, .parquet; for token classification .jsonl, .parquet, .conllu
 * or CoNLL columns (.conll, .tsv, .txt, .iob2).
 * @throws BidoraError naming the file, line or column at fault.
 */
export async function loadExamples(file: string, options: LoadOptions): Promise<Dataset> {
  const extension = extname(file).toLowerCase();
  const columns = { labels: "required", ...options } as const;
  if (tasks[options.task].rows === "text") {
    const read = TABLES.get(extension) ?? unknownFormat(file, options.task, [...TABLES.keys()]);
    return textExamples(await read(file, options), options.task, columns);
  }
  if (extension === ".conllu" || CONLL.includes(extension))
    return { examples: await words(file, columns), labelNames: undefined };
  const read = extension === ".csv" ? undefined : TABLES.get(extension);
  if (read === undefined) return unknownFormat(file, options.task, [".jsonl", ".parquet", ".conllu", ...CONLL]);
  return wordsExamples(await read(file, options), columns);
}

async function words(
  file: string,
  { textColumns, labelColumns, usualLabelColumns, labels }: ColumnOptions,
): Promise<WordsExample[]> {
  const [column] = labelColumns ?? (labels === "required" ? usualLabelColumns : undefined) ?? [];
  if (textColumns !== undefined)
    throw new UsageError(
      `No effect: --text-columns ${textColumns} names no column of ${file}, where words come first.`,
    );
  if (extname(file).toLowerCase() === ".conllu") {
    if (column?.toLowerCase() === "form") throw new UsageError(`${file}: the column form holds the words, not labels.`);
    return readConllu(file, column);
  }
  if (column !== undefined && !/^\d+$/.test(column)) {
    throw new UsageError(
      `${file} has columns without names: give --label-column as a number, counted from 1, not ${column}.`,
    );
  }
  const sentences = await readConll(file, { labelColumn: column === undefined ? undefined : Number(column) });
  if (labels === "required" && sentences.some((sentence) => sentence.labels === undefined)) {
    throw new BidoraError("UNKNOWN_COLUMN", `${file} has words alone: a column of labels is expected beside them.`);
  }
  return sentences;
}

function unknownFormat(file: string, task: TaskKind, known: readonly string[]): never {
  if (!existsSync(file)) throw fileError(file, { code: "ENOENT" });
  if (statSync(file).isDirectory()) throw fileError(file, { code: "EISDIR" });
  throw new UsageError(`${file}: for ${task}, a file whose name ends in one of ${known.join(", ")} is expected.`);
}
