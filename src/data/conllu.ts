import { BidoraError } from "../common/errors.js";
import { SentenceBuilder } from "./conll.js";
import type { WordsExample } from "./example.js";
import { columnCount, emptyFile, readLines, rowError } from "./textFile.js";

const COLUMNS = ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"];

/**
 * Universal Dependencies' CoNLL-U: words are the column `form`, labels the column named (`upos` if none is). Multiword tokens
 * (`1-2`) and empty nodes (`8.1`) are passed over, as they stand beside the words.
 * @throws BidoraError naming the line that doesn't have the ten columns, or the columns there are.
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
      throw rowError(file, number, `${columnCount(fields.length)} parted by tabs, but CoNLL-U has ten.`);
    }
    if (/^\d+$/.test(id)) sentence.add(number, fields[1]!, fields[label]!);
    else if (!/^\d+[-.]\d+$/.test(id))
      throw rowError(file, number, `${JSON.stringify(id)} is no word number of CoNLL-U.`);
  };
  for await (const lines of readLines(file)) for (const line of lines) add(line);
  sentences.push(...sentence.finish());
  if (sentences.length === 0) throw emptyFile(file);
  return sentences;
}
