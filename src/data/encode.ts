import { BidoraError } from "../common/errors.js";
import { type Encoded, type EncodedWords, type Tokenizer, UncuttableText } from "../text/index.js";
import { type Example, type Location, place, type TextExample, type WordsExample } from "./example.js";
import type { LabelMap } from "./labels.js";
import { type TaskKind, tasks } from "./task.js";
import { rowError } from "./textFile.js";

/** The label of a position that has none, as PyTorch's cross-entropy passes it over. */
export const IGNORED_LABEL = -100;

/**
 * A class (sequence classification), 0 or 1 for each label (multi-label), a number (regression), a class or -100 for each
 * token (token classification), or nothing (rows to predict, causal-lm).
 */
export type RowLabel = number | readonly number[] | undefined;

/** A row as token ids, without padding. */
export interface EncodedRow {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
  readonly label: RowLabel;
  readonly at: Location;
  /** Token classification: where each word's first sub-word stands in `ids`, -1 if it was cut off or has no token. */
  readonly wordStarts?: readonly number[];
  /** Token classification: the class of each word, those that were cut off too. */
  readonly wordLabels?: readonly number[];
}

export interface RowEncoding {
  readonly task: TaskKind;
  /** Needed by every task that has label names, where rows are labelled. */
  readonly labels: LabelMap | undefined;
  /** The most tokens of a row, special ones included. */
  readonly maxLength: number | undefined;
  /** What the model has vectors for, where it is known. */
  readonly model?: { readonly vocabSize: number; readonly typeVocabSize: number } | undefined;
}

/**
 * Turns examples into token ids and class numbers, in the same order.
 * @throws BidoraError naming the row that has no token, or a label that isn't known or doesn't fit the task.
 */
export async function encodeExamples(
  examples: readonly Example[],
  tokenizer: Tokenizer,
  encoding: RowEncoding,
): Promise<EncodedRow[]> {
  const wanted = tasks[encoding.task].rows;
  const stray = examples.find((example) => example.kind !== wanted);
  if (stray !== undefined) throw wrongKind(encoding.task, stray);
  const encode = () =>
    wanted === "words"
      ? encodeWords(examples.filter(isWords), tokenizer, encoding)
      : encodeTexts(examples.filter(isText), tokenizer, encoding);
  const rows = await encode().catch((error: unknown) => {
    throw error instanceof UncuttableText ? tooLong(examples, error) : error;
  });
  const empty = rows.findIndex((row) => row.ids.length === 0);
  if (empty === -1) {
    const fed = tokenizer.givesTypes ? rows : rows.map(withoutTypes);
    if (encoding.model) checkIds(fed, tokenizer, encoding.model);
    return fed;
  }
  throw new BidoraError(
    "EMPTY_TEXT",
    `${place(examples[empty]!.at)}: the text gives no token at all: leave the row out.`,
  );
}

/** @throws BidoraError `VOCABULARY` for a token that the model has no vector for */
function checkIds(
  rows: readonly EncodedRow[],
  tokenizer: Tokenizer,
  { vocabSize, typeVocabSize }: NonNullable<RowEncoding["model"]>,
): void {
  for (const { ids, typeIds, at } of rows) {
    const id = ids.find((id) => id >= vocabSize);
    if (id !== undefined) {
      throw new BidoraError(
        "VOCABULARY",
        `${place(at)}: the tokenizer gives the token id ${id}, but the model has ${vocabSize} tokens and the tokenizer ` +
          `${tokenizer.size}: they are not for each other.`,
      );
    }
    const type = typeVocabSize > 1 ? typeIds.find((type) => type >= typeVocabSize) : undefined;
    if (type !== undefined) {
      throw new BidoraError(
        "VOCABULARY",
        `${place(at)}: the tokenizer gives the token type ${type}, but the model has ${typeVocabSize} token types: they are not for each other.`,
      );
    }
  }
}

/** A model that is not told the types takes every one for the first. */
function withoutTypes(row: EncodedRow): EncodedRow {
  return { ...row, typeIds: row.typeIds.map(() => 0) };
}

async function encodeTexts(examples: readonly TextExample[], tokenizer: Tokenizer, encoding: RowEncoding) {
  const encoded = await tokenizer.encodeBatch(
    examples.map((example) => example.texts),
    encoding,
  );
  return examples.map((example, i) => textRow(example, encoded[i]!, encoding));
}

async function encodeWords(examples: readonly WordsExample[], tokenizer: Tokenizer, encoding: RowEncoding) {
  const encoded = await tokenizer.encodeWordsBatch(
    examples.map((example) => example.tokens),
    encoding,
  );
  return examples.map((example, i) => wordsRow(example, encoded[i]!, encoding.labels));
}

function textRow(example: TextExample, { ids, typeIds }: Encoded, { task, labels }: RowEncoding): EncodedRow {
  return { ids, typeIds, label: textLabel(example, task, labels), at: example.at };
}

function textLabel({ label, at }: TextExample, task: TaskKind, labels: LabelMap | undefined): RowLabel {
  if (label === undefined || task === "causal-lm") return undefined;
  if (task === "regression") {
    if (typeof label === "number") return label;
  } else if (labels !== undefined && task === "multi-label-classification" && typeof label === "object") {
    const classes = new Set(label.map((name) => labels.indexOf(name, at)));
    return labels.names.map((_, i) => (classes.has(i) ? 1 : 0));
  } else if (labels !== undefined && task === "sequence-classification" && typeof label !== "object") {
    return labels.indexOf(label, at);
  }
  throw rowError(
    at.file,
    at.line,
    `the label ${JSON.stringify(label)} does not fit the task ${task} (${tasks[task].label}).`,
  );
}

/** A word's label stands at its first sub-word; all else is ignored. */
function wordsRow(example: WordsExample, encoded: EncodedWords, labels: LabelMap | undefined): EncodedRow {
  const { at } = example;
  if (example.labels === undefined || labels === undefined) return { ...encoded, label: undefined, at };
  const wordLabels = example.labels.map((label) => labels.indexOf(label, at));
  const label = new Array<number>(encoded.ids.length).fill(IGNORED_LABEL);
  for (const [word, start] of encoded.wordStarts.entries()) if (start !== -1) label[start] = wordLabels[word]!;
  return { ...encoded, label, wordLabels, at };
}

function isText(example: Example): example is TextExample {
  return example.kind === "text";
}

function isWords(example: Example): example is WordsExample {
  return example.kind === "words";
}

function tooLong(examples: readonly Example[], error: UncuttableText): BidoraError {
  const holds = (example: Example) => (isText(example) ? example.texts : example.tokens).includes(error.text);
  const found = examples.find(holds);
  return found === undefined ? error : rowError(found.at.file, found.at.line, error.message);
}

function wrongKind(task: TaskKind, { at }: Example): BidoraError {
  const expected = tasks[task].rows === "words" ? "a text split into words" : "whole texts";
  return rowError(at.file, at.line, `the task ${task} takes ${expected}.`);
}
