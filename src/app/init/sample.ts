/** The rows from which the settings of a run are guessed: the first ones of a file. */
import { type CallContext, UsageError } from "../../base/index.js";
import { formsOfFile, loadTable, readLines, type Table } from "../../tasks/data/index.js";
import type { TaskKind } from "../../tasks/index.js";

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
  /** Sentences at the beginning of the file. */
  readonly sentences: number;
}

const WORDS_TASK = "token-classification";

/** Enough to tell classes from numbers, and quick in a file of any size. */
const MOST_ROWS = 5000;

/**
 * @param task for which the rows are, if the user has named it
 * @param onNote receives notes on how they are read
 * @throws BidoraError, UsageError for a file that can't be read, with the reader's own message
 */
export async function readSample(
  file: string,
  task: TaskKind = WORDS_TASK,
  onNote?: CallContext["onNote"],
): Promise<Sample> {
  const { isTable, isWords } = formsOfFile(file);
  const words = isWords && task === WORDS_TASK ? await wordsSample(file) : undefined;
  if (words) return words;
  if (!isTable && task === WORDS_TASK) throw await notWords(file);
  const table = await loadTable(file, { limit: MOST_ROWS + 1, onNote });
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
  for await (const lines of readLines(file)) {
    const sentences = sentencesIn(lines);
    if (file.toLowerCase().endsWith(".conllu")) return { kind: "words", file, columns: undefined, sentences };
    const columns = columnsIn(lines);
    return columns === undefined || sentences < 2 ? undefined : { kind: "words", file, columns, sentences };
  }
  return undefined;
}

/** Lines without words: sentences are apart by blank lines, documents by marks. */
const isMark = (line: string): boolean => line.trim() === "" || line.startsWith("-DOCSTART-") || line.startsWith("###");

const sentencesIn = (lines: readonly string[]): number =>
  lines.filter((line, i) => !isMark(line) && (i === 0 || isMark(lines[i - 1] as string))).length;

/** The columns that each line has after its word; undefined if they differ, or there are none. */
function columnsIn(lines: readonly string[]): number | undefined {
  const separator = lines.some((line) => line.includes("\t")) ? "\t" : /[ ]+/;
  const fields = lines.filter((line) => !isMark(line)).map((line) => line.trimEnd().split(separator));
  const count = fields[0]?.length ?? 0;
  return count > 1 && fields.every((one) => one.length === count && !one[0]?.includes(" ")) ? count : undefined;
}
