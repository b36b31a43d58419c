/** Files with one word per line: CoNLL columns and CoNLL-U. */
import { BidoraError } from "../../../base/index.js";
import type { WordsExample } from "../example.js";
import { columnCount, emptyFile, hasCharacter, readLines, rowError } from "./textFile.js";

interface ConllOptions {
  /** The number of the label's column, from 1; by default the last. */
  readonly labelColumn?: number | undefined;
}

/** The first characters of lines between documents. */
const BOUNDARIES = ["-DOCSTART-", "###MEDLINE:"];

/**
 * Sentences with one word per line and a blank line between sentences, as in CoNLL-2003 and JNLPBA. The word is the first column;
 * columns are separated by tabs or, in a file without tabs, by spaces. `-DOCSTART-` lines and the `###MEDLINE:` lines before JNLPBA's
 * abstracts are skipped. A file with a single column has no labels.
 * @throws BidoraError naming a line with a different number of columns
 */
export async function readConll(file: string, options: ConllOptions = {}): Promise<WordsExample[]> {
  const separator = (await hasCharacter(file, "\t")) ? "\t" : /[ ]+/;
  let columns: number | undefined;
  const isBoundary = (line: string) => BOUNDARIES.some((mark) => line.startsWith(mark));
  return readSentences(file, isBoundary, (line, number) => {
    const fields = line.trimEnd().split(separator);
    columns ??= checkedColumns(file, fields.length, options);
    if (fields.length !== columns) {
      throw rowError(file, number, `${columnCount(fields.length)}, but the lines before have ${columns}.`);
    }
    if (fields[0] === "") throw rowError(file, number, "the word is missing in the first column.");
    return { token: fields[0]!, label: columns === 1 ? undefined : fields[(options.labelColumn ?? columns) - 1]! };
  });
}

function checkedColumns(file: string, columns: number, { labelColumn }: ConllOptions): number {
  if (labelColumn !== undefined && !(labelColumn >= 2 && labelColumn <= columns)) {
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${file} has ${columnCount(columns)}, so the label can't be in column ${labelColumn}.`,
    );
  }
  return columns;
}

interface Word {
  readonly token: string;
  readonly label: string | undefined;
}

/** The sentences of a file, which end at blank lines and at boundaries. @param wordIn the word of a line, if it has one */
async function readSentences(
  file: string,
  isBoundary: (line: string) => boolean,
  wordIn: (line: string, number: number) => Word | undefined,
): Promise<WordsExample[]> {
  const sentences: WordsExample[] = [];
  let words: Word[] = [];
  let [number, start] = [0, 0];
  const finish = () => {
    const input = words.map(({ token }) => token);
    const label = words[0]?.label === undefined ? undefined : words.map(({ label }) => label!);
    if (words.length > 0) sentences.push({ input, label, at: { file, line: start } });
    words = [];
  };
  for await (const lines of readLines(file))
    for (const line of lines) {
      number++;
      const isEnd = line.trim() === "" || isBoundary(line);
      const word = isEnd ? undefined : wordIn(line, number);
      if (isEnd) finish();
      if (word && words.length === 0) start = number;
      if (word) words.push(word);
    }
  finish();
  if (sentences.length === 0) throw emptyFile(file);
  return sentences;
}

const COLUMNS = ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"];

/**
 * Universal Dependencies' CoNLL-U: words are in the column `form`, labels in the named column. Multiword tokens (`1-2`) and empty nodes
 * (`8.1`) are skipped, because they are not among the sentence's syntactic words.
 * @throws BidoraError naming a line without the ten columns, or listing the columns
 */
export async function readConllu(file: string, labelColumn = "upos"): Promise<WordsExample[]> {
  const label = COLUMNS.indexOf(labelColumn.toLowerCase());
  if (label === -1) {
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `CoNLL-U has no column ${labelColumn}; its columns are ${COLUMNS.join(", ")}.`,
    );
  }
  return readSentences(
    file,
    () => false,
    (line, number) => {
      if (line.startsWith("#")) return undefined;
      const fields = line.split("\t");
      const id = fields[0]!;
      if (fields.length !== COLUMNS.length) {
        throw rowError(file, number, `${columnCount(fields.length)} separated by tabs, but CoNLL-U has ten.`);
      }
      if (/^\d+$/.test(id)) return { token: fields[1]!, label: fields[label]! };
      if (/^\d+[-.]\d+$/.test(id)) return undefined;
      throw rowError(file, number, `${JSON.stringify(id)} is not a word number of CoNLL-U.`);
    },
  );
}
