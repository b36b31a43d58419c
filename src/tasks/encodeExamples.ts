/** From examples to token ids, checked against the model. */
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
import { aTokenizer, type EncodedExample, type EncodeOptions, listOfExamples } from "./batch.js";
import { type Example, type Location, rowError, where } from "./data/index.js";
import type { Task } from "./task.js";

/** How examples are encoded, and for which model. */
export interface ExampleEncoding extends EncodeOptions {
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
} satisfies Record<keyof ExampleEncoding, Check>);

/**
 * Encodes examples for training or inference.
 * @throws UsageError for `trainOn` with a task other than language modeling; BidoraError naming an example without tokens, with a token that
 *   the model has no embedding for, or with a label that does not fit
 */
export async function encodeExamples<E extends Example, X extends EncodedExample>(
  task: Pick<Task<E, X>, "encode" | "reference" | "takesTrainOn">,
  examples: readonly E[],
  tokenizer: Tokenizer,
  encoding: ExampleEncoding,
): Promise<X[]> {
  checkArguments(
    "encodeExamples",
    ["task", task, ENCODES],
    ["examples", examples, listOfExamples],
    ["tokenizer", tokenizer, aTokenizer],
    ["encoding", encoding, ENCODING],
  );
  const { model, ...options } = encoding;
  if (options.trainOn !== undefined && !task.takesTrainOn)
    throw new UsageError("No effect: --train-on is for language models (--task causal-lm); leave it out.");
  const encoded = await withExampleInErrors(task.encode(examples, tokenizer, options), examples, textsOf);
  const empty = encoded.find((example) => example.inputIds.length === 0);
  if (empty) throw new BidoraError("EMPTY_TEXT", `${where(empty.at)}: the text has no tokens: remove the row.`);
  const fed = withReferences(tokenizer.givesTypes ? encoded : encoded.map(withoutTypes), examples, (example) =>
    task.reference(example, options.labels),
  );
  if (model) for (const one of fed) checkIds(one, where(one.at), tokenizer, model);
  return fed;
}

/** Adds to labeled examples the reference that their prediction is compared with. */
function withReferences<E extends Example, X extends EncodedExample>(
  encoded: readonly X[],
  examples: readonly E[],
  referenceOf: (example: E) => unknown,
): X[] {
  const byPlace = new Map(examples.map((example) => [example.at, example]));
  return encoded.map((one) => {
    const example = one.target === undefined ? undefined : byPlace.get(one.at);
    return example ? { ...one, reference: referenceOf(example) } : one;
  });
}

/** Sets all token types to the first, for a tokenizer without token types. */
function withoutTypes<X extends EncodedExample>(example: X): X {
  return { ...example, tokenTypeIds: example.tokenTypeIds.map(() => 0) };
}

/** The texts of an example, or its words. */
const textsOf = ({ input }: Example): readonly unknown[] => Object.values(input as object);

/** How many tokens and token types a model has embeddings for. */
export interface VocabularySizes {
  readonly vocabSize: number;
  readonly typeVocabSize: number;
}

/** @throws BidoraError `VOCABULARY` for a token or token type that the model has no embedding for */
export function checkIds(
  { inputIds, tokenTypeIds = [] }: Pick<EncodedExample, "inputIds"> & Partial<EncodedExample>,
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

/** What limits the tokens of an encoded example. */
interface LengthLimits {
  readonly tokenizer: Pick<Tokenizer, "modelMaxLength">;
  /** The tokens for which the model has positions. */
  readonly modelTokens: number;
  /** The length in a folder of sentence-transformers, which replaces the tokenizer's. */
  readonly folderLength: number | undefined;
}

/**
 * The maximum number of tokens in an encoded example.
 * @throws UsageError if the flag gives more than tokenizer or model allow
 */
export function maxLengthOf(chosen: number, isGiven: boolean, limits: LengthLimits): number {
  const { tokenizer, modelTokens, folderLength } = limits;
  const ofTokenizer = folderLength === undefined ? tokenizer.modelMaxLength : undefined;
  const cap = Math.min(modelTokens, ofTokenizer ?? Number.POSITIVE_INFINITY);
  if (isGiven && chosen > cap)
    throw new UsageError(`--max-length ${chosen} is more than the ${cap} tokens that the model takes.`);
  return Math.min(chosen, cap);
}

/**
 * The result of tokenizing examples. An error for a text that the tokenizer refuses names its example.
 * @param textsOf the texts of an example that are tokenized
 */
export async function withExampleInErrors<E extends { readonly at: Location }, Result>(
  encoded: Promise<Result>,
  examples: readonly E[],
  textsOf: (example: E) => readonly unknown[],
): Promise<Result> {
  try {
    return await encoded;
  } catch (error) {
    const found =
      error instanceof RefusedText ? examples.find((example) => textsOf(example).includes(error.text)) : undefined;
    throw found ? rowError(found.at.file, found.at.line, (error as RefusedText).message) : error;
  }
}
