/** Files with one word per line: CoNLL columns and CoNLL-U. */
import { BidoraError } from "../../base/index.js";
import type { WordsExample } from "./example.js";
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
  const sentences: WordsExample[] = [];
  let sentence = new SentenceBuilder(file);
  let columns: number | undefined;
  let number = 0;
  const add = (line: string) => {
    number++;
    if (line.trim() === "" || BOUNDARIES.some((mark) => line.startsWith(mark))) {
      sentences.push(...sentence.finish());
      sentence = new SentenceBuilder(file);
      return;
    }
    const fields = line.trimEnd().split(separator);
    columns ??= checkedColumns(file, fields.length, options);
    if (fields.length !== columns) {
      throw rowError(file, number, `${columnCount(fields.length)}, but the lines before have ${columns}.`);
    }
    if (fields[0] === "") throw rowError(file, number, "the word is missing in the first column.");
    sentence.add(number, fields[0]!, columns === 1 ? undefined : fields[(options.labelColumn ?? columns) - 1]!);
  };
  for await (const lines of readLines(file)) for (const line of lines) add(line);
  sentences.push(...sentence.finish());
  if (sentences.length === 0) throw emptyFile(file);
  return sentences;
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

/** Collects the words of one sentence. */
class SentenceBuilder {
  readonly #tokens: string[] = [];
  readonly #labels: string[] = [];
  #line = 0;

  constructor(readonly file: string) {}

  add(line: number, token: string, label: string | undefined): void {
    if (this.#tokens.length === 0) this.#line = line;
    this.#tokens.push(token);
    if (label !== undefined) this.#labels.push(label);
  }

  /** The sentence, or nothing if it has no words. */
  finish(): WordsExample[] {
    if (this.#tokens.length === 0) return [];
    const labels = this.#labels.length === 0 ? undefined : this.#labels;
    return [{ input: this.#tokens, label: labels, at: { file: this.file, line: this.#line } }];
  }
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
  const sentences: WordsExample[] = [];
  let sentence = new SentenceBuilder(file);
  let number = 0;
  const add = (line: string) => {
    number++;
    if (line.trim() === "") {
      sentences.push(...sentence.finish());
      sentence = new SentenceBuilder(file);
      return;
    }
    if (line.startsWith("#")) return;
    const fields = line.split("\t");
    const id = fields[0]!;
    if (fields.length !== COLUMNS.length) {
      throw rowError(file, number, `${columnCount(fields.length)} separated by tabs, but CoNLL-U has ten.`);
    }
    if (/^\d+$/.test(id)) sentence.add(number, fields[1]!, fields[label]!);
    else if (!/^\d+[-.]\d+$/.test(id))
      throw rowError(file, number, `${JSON.stringify(id)} is not a word number of CoNLL-U.`);
  };
  for await (const lines of readLines(file)) for (const line of lines) add(line);
  sentences.push(...sentence.finish());
  if (sentences.length === 0) throw emptyFile(file);
  return sentences;
}
