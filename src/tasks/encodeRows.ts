import {
  aNumber,
  anObject,
  aText,
  type Check,
  checkArguments,
  having,
  optional,
  options,
} from "../common/arguments.js";
import { BidoraError, UsageError } from "../common/errors.js";
import { type Example, type Location, rowError, where } from "../data/index.js";
import { RefusedText, type Tokenizer } from "../text/index.js";
import { aTokenizer, type EncodedRow, type EncodeOptions, examplesOfRows, type Task } from "./task.js";

/** How rows are encoded, and for what model. */
export interface RowEncoding extends EncodeOptions {
  /** What the model has vectors for, where it is known. */
  readonly model?: VectorCounts | undefined;
}

const ENCODES = having("a task, such as sequenceClassification", "encode");
const ENCODING = options({
  labels: optional(anObject),
  maxLength: optional(aNumber),
  trainOn: optional(aText),
  model: optional(anObject),
} satisfies Record<keyof RowEncoding, Check>);

/**
 * Turns examples into the rows that a model is trained on or used with.
 * @throws UsageError for what of a row bears loss, where the task leaves no choice; BidoraError naming the row that has no token, one that the model has no vector for, or a label that doesn't fit
 */
export async function encodeRows<E extends Example, Row extends EncodedRow>(
  task: Pick<Task<E, Row>, "encode" | "reference" | "takesTrainOn">,
  examples: readonly E[],
  tokenizer: Tokenizer,
  encoding: RowEncoding,
): Promise<Row[]> {
  checkArguments(
    "encodeRows",
    ["task", task, ENCODES],
    ["examples", examples, examplesOfRows],
    ["tokenizer", tokenizer, aTokenizer],
    ["encoding", encoding, ENCODING],
  );
  const { model, ...options } = encoding;
  if (options.trainOn !== undefined && !task.takesTrainOn)
    throw new UsageError("No effect: --train-on is for language models (--task causal-lm); leave it out.");
  const rows = await namingRow(task.encode(examples, tokenizer, options), examples, textsOf);
  const empty = rows.find((row) => row.inputIds.length === 0);
  if (empty)
    throw new BidoraError("EMPTY_TEXT", `${where(empty.at)}: the text gives no token at all: leave the row out.`);
  const fed = withReferences(tokenizer.givesTypes ? rows : rows.map(withoutTypes), examples, (example) =>
    task.reference(example, options.labels),
  );
  if (model) for (const row of fed) checkIds(row, where(row.at), tokenizer, model);
  return fed;
}

/** Labelled rows are told what their example's prediction is compared with. */
function withReferences<E extends Example, Row extends EncodedRow>(
  rows: readonly Row[],
  examples: readonly E[],
  referenceOf: (example: E) => unknown,
): Row[] {
  const byPlace = new Map(examples.map((example) => [example.at, example]));
  return rows.map((row) => {
    const example = row.target === undefined ? undefined : byPlace.get(row.at);
    return example ? { ...row, reference: referenceOf(example) } : row;
  });
}

/** A model that is not told the types takes every one for the first. */
function withoutTypes<Row extends EncodedRow>(row: Row): Row {
  return { ...row, tokenTypeIds: row.tokenTypeIds.map(() => 0) };
}

/** The texts of a row, or its words. */
const textsOf = ({ input }: Example): readonly unknown[] => Object.values(input as object);

/** How many tokens, and kinds of tokens, a model has vectors for. */
export interface VectorCounts {
  readonly vocabSize: number;
  readonly typeVocabSize: number;
}

/** @throws BidoraError `VOCABULARY` for a token, or a kind of token, that the model has no vector for */
export function checkIds(
  { inputIds, tokenTypeIds = [] }: Pick<EncodedRow, "inputIds"> & Partial<EncodedRow>,
  name: string,
  tokenizer: Pick<Tokenizer, "size">,
  { vocabSize, typeVocabSize }: VectorCounts,
): void {
  const id = inputIds.find((id) => id >= vocabSize);
  if (id !== undefined) {
    throw new BidoraError(
      "VOCABULARY",
      `${name}: the tokenizer gives the token id ${id}, but the model has ${vocabSize} tokens and the tokenizer ` +
        `${tokenizer.size}: they are not for each other.`,
    );
  }
  const type = typeVocabSize > 1 ? tokenTypeIds.find((type) => type >= typeVocabSize) : undefined;
  if (type !== undefined) {
    throw new BidoraError(
      "VOCABULARY",
      `${name}: the tokenizer gives the token type ${type}, but the model has ${typeVocabSize} token types: they are not for each other.`,
    );
  }
}

/**
 * The number of tokens that rows are cut to.
 * @throws UsageError for more than tokenizer or model allow, given by hand
 */
export function maxLengthOf(chosen: number, isGiven: boolean, tokenizer: Tokenizer, modelTokens: number): number {
  const cap = Math.min(modelTokens, tokenizer.modelMaxLength ?? Number.POSITIVE_INFINITY);
  if (isGiven && chosen > cap)
    throw new UsageError(`--max-length ${chosen} is more than the ${cap} tokens that the model takes.`);
  return Math.min(chosen, cap);
}

/**
 * The result of tokenizing rows. An error for a text that the tokenizer refuses names its row.
 * @param textsOf the texts of a row that are tokenized
 */
export async function namingRow<Row extends { readonly at: Location }, Result>(
  encoded: Promise<Result>,
  rows: readonly Row[],
  textsOf: (row: Row) => readonly unknown[],
): Promise<Result> {
  try {
    return await encoded;
  } catch (error) {
    const found = error instanceof RefusedText ? rows.find((row) => textsOf(row).includes(error.text)) : undefined;
    throw found ? rowError(found.at.file, found.at.line, (error as RefusedText).message) : error;
  }
}
