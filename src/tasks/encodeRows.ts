/** From examples to rows of token ids, checked against the model. */
import {
  aNumber,
  anObject,
  aSwitch,
  aText,
  BidoraError,
  type Check,
  checkArguments,
  having,
  optional,
  options,
  UsageError,
} from "../base/index.js";
import { RefusedText, type Tokenizer } from "../text/index.js";
import { type Example, type Location, rowError, where } from "./data/index.js";
import { aTokenizer, type EncodedRow, type EncodeOptions, examplesOfRows, type Task } from "./task.js";

/** How rows are encoded, and for which model. */
export interface RowEncoding extends EncodeOptions {
  /** The vocabulary of the model, if known. */
  readonly model?: VocabularySizes | undefined;
}

const ENCODES = having("a task, such as sequenceClassification", "encode");
const ENCODING = options({
  labels: optional(anObject),
  maxLength: optional(aNumber),
  trainOn: optional(aText),
  usesPrompts: optional(aSwitch),
  promptName: optional(aText),
  model: optional(anObject),
} satisfies Record<keyof RowEncoding, Check>);

/**
 * Encodes examples as rows for training or inference.
 * @throws UsageError for `trainOn` with a task other than language modeling; BidoraError naming a row without tokens, with a token that
 *   the model has no embedding for, or with a label that does not fit
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
  const rows = await withRowInErrors(task.encode(examples, tokenizer, options), examples, textsOf);
  const empty = rows.find((row) => row.inputIds.length === 0);
  if (empty) throw new BidoraError("EMPTY_TEXT", `${where(empty.at)}: the text has no tokens: remove the row.`);
  const fed = withReferences(tokenizer.givesTypes ? rows : rows.map(withoutTypes), examples, (example) =>
    task.reference(example, options.labels),
  );
  if (model) for (const row of fed) checkIds(row, where(row.at), tokenizer, model);
  return fed;
}

/** Adds to labeled rows the reference that their example's prediction is compared with. */
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

/** Sets all token types to the first, for a tokenizer without token types. */
function withoutTypes<Row extends EncodedRow>(row: Row): Row {
  return { ...row, tokenTypeIds: row.tokenTypeIds.map(() => 0) };
}

/** The texts of a row, or its words. */
const textsOf = ({ input }: Example): readonly unknown[] => Object.values(input as object);

/** How many tokens and token types a model has embeddings for. */
export interface VocabularySizes {
  readonly vocabSize: number;
  readonly typeVocabSize: number;
}

/** @throws BidoraError `VOCABULARY` for a token or token type that the model has no embedding for */
export function checkIds(
  { inputIds, tokenTypeIds = [] }: Pick<EncodedRow, "inputIds"> & Partial<EncodedRow>,
  name: string,
  tokenizer: Pick<Tokenizer, "size">,
  { vocabSize, typeVocabSize }: VocabularySizes,
): void {
  const id = inputIds.find((id) => id >= vocabSize);
  if (id !== undefined) {
    throw new BidoraError(
      "VOCABULARY",
      `${name}: the tokenizer gives the token id ${id}, but the model has ${vocabSize} tokens and the tokenizer ` +
        `${tokenizer.size}: the tokenizer does not fit the model.`,
    );
  }
  const type = typeVocabSize > 1 ? tokenTypeIds.find((type) => type >= typeVocabSize) : undefined;
  if (type !== undefined) {
    throw new BidoraError(
      "VOCABULARY",
      `${name}: the tokenizer gives the token type ${type}, but the model has ${typeVocabSize} token types: the tokenizer does not fit the model.`,
    );
  }
}

/**
 * The maximum number of tokens in a row.
 * @throws UsageError if the flag gives more than tokenizer or model allow
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
export async function withRowInErrors<Row extends { readonly at: Location }, Result>(
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
