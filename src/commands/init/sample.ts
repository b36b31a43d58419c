/** The rows from which the settings of a run are guessed: the first ones of a file. */
import { UsageError } from "../../common/errors.js";
import { formsOfFile, loadTable, readLines, type Table } from "../../data/index.js";

/** Rows of a table, or what the lines of a file with one word per line look like. */
export type Sample = TableSample | WordsSample;

export interface TableSample {
  readonly kind: "table";
  /** No more than `MOST_ROWS` rows. */
  readonly table: Table;
  /** Whether these are all rows of the file. */
  readonly isWhole: boolean;
}

export interface WordsSample {
  readonly kind: "words";
  readonly file: string;
  /** Columns of a line; undefined in CoNLL-U, whose columns have names. */
  readonly columns: number | undefined;
}

/** Enough to tell classes from numbers, and quick in a file of any size. */
export const MOST_ROWS = 5000;

/** @throws BidoraError, UsageError for a file that can't be read, with the reader's own message */
export async function readSample(file: string): Promise<Sample> {
  const { isTable, isWords } = formsOfFile(file);
  const words = isWords ? await wordsSample(file) : undefined;
  if (words) return words;
  if (!isTable) throw await notWords(file);
  const table = await loadTable(file, { limit: MOST_ROWS + 1 });
  const rows = table.rows.slice(0, MOST_ROWS);
  return { kind: "table", table: { ...table, rows }, isWhole: rows.length === table.rows.length };
}

async function notWords(file: string): Promise<UsageError> {
  const what = `${file} does not have one word per line with its label`;
  for await (const [first = ""] of readLines(file))
    if (first.includes("\t")) return new UsageError(`${what}: if it is a table, give it a name that ends in .tsv.`);
  return new UsageError(
    `${what}: to train a language model on plain text, write each text as a line {"text": "…"} of a .jsonl file.`,
  );
}

/** Undefined for a file that does not have one word per line. */
async function wordsSample(file: string): Promise<WordsSample | undefined> {
  if (file.toLowerCase().endsWith(".conllu")) return { kind: "words", file, columns: undefined };
  for await (const lines of readLines(file)) return wordsOf(file, lines);
  return undefined;
}

/** Lines that are no words: sentences are apart by blank lines, documents by marks. */
const isMark = (line: string): boolean => line.trim() === "" || line.startsWith("-DOCSTART-") || line.startsWith("###");

function wordsOf(file: string, lines: readonly string[]): WordsSample | undefined {
  const separator = lines.some((line) => line.includes("\t")) ? "\t" : /[ ]+/;
  const fields = lines.filter((line) => !isMark(line)).map((line) => line.trimEnd().split(separator));
  const [first = []] = fields;
  const isEven = fields.every((one) => one.length === first.length && !one[0]?.includes(" "));
  const hasSentences = lines
    .slice(
      lines.findIndex((line) => !isMark(line)),
      lines.findLastIndex((line) => !isMark(line)),
    )
    .some(isMark);
  return isEven && hasSentences && first.length > 1 ? { kind: "words", file, columns: first.length } : undefined;
}
