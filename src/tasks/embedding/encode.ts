// Examples as token ids: the texts of one laid end to end, each with its own special tokens.
import { BidoraError, own, UsageError } from "../../base/index.js";
import type { EmbeddingFormat } from "../../formats/index.js";
import type { Encoded, Tokenizer } from "../../text/index.js";
import type { EncodedExample, EncodeOptions } from "../batch.js";
import type { PairLabel } from "../data/embeddingExamples.js";
import { type EmbeddingExample, where } from "../data/index.js";
import { encodedTexts } from "../texts.js";

/** A text to embed; or an anchor, a positive and negatives; or two texts with a score. */
export interface EncodedEmbeddingExample extends EncodedExample<PairLabel> {
  /** The number of tokens of each text. */
  readonly lengths: readonly number[];
  /** For each text, the tokens at its start that do not count in the pooling. */
  readonly skipped: readonly number[];
}

/**
 * Encodes each text of the examples by itself, behind the prompt that it has.
 * @throws UsageError for a prompt that leaves no room for a text, BidoraError `EMPTY_TEXT` naming the example
 */
export async function encodeEmbeddingExamples(
  examples: readonly EmbeddingExample[],
  tokenizer: Tokenizer,
  { maxLength, ...options }: EncodeOptions,
  format: EmbeddingFormat,
): Promise<EncodedEmbeddingExample[]> {
  const prompts = examples.map((example) => promptsFor(example, options, format));
  const inputs = examples.flatMap(({ input }, row) =>
    input.map((text, i) => prepared(`${prompts[row]?.[i]}${text}`, format)),
  );
  const encoded = await tokenizer.encodeBatch(
    inputs.map((text) => [text] as const),
    { maxLength },
  );
  const tokens = await promptTokens(prompts.flat(), tokenizer, format, maxLength);
  let next = 0;
  return examples.map((example, row) => {
    const texts = encoded.slice(next, next + example.input.length);
    next += texts.length;
    const skipped = (prompts[row] as string[]).map((prompt) => (format.includesPrompt ? 0 : (tokens.get(prompt) ?? 0)));
    return encodedOf(example, texts, skipped);
  });
}

function encodedOf(
  { label, at }: EmbeddingExample,
  texts: readonly Encoded[],
  skipped: readonly number[],
): EncodedEmbeddingExample {
  if (texts.some(({ inputIds }) => inputIds.length === 0))
    throw new BidoraError("EMPTY_TEXT", `${where(at)}: a text has no tokens: remove the row.`);
  return {
    inputIds: texts.flatMap(({ inputIds }) => inputIds),
    tokenTypeIds: texts.flatMap(({ tokenTypeIds }) => tokenTypeIds),
    lengths: texts.map(({ inputIds }) => inputIds.length),
    skipped,
    target: label,
    at,
  };
}

/** The prompt of each text: the default one, but those of queries and documents where positives are searched. */
function promptsFor(
  { input, label }: EmbeddingExample,
  { usesPrompts, promptName }: Pick<EncodeOptions, "usesPrompts" | "promptName">,
  { prompts, defaultPrompt }: EmbeddingFormat,
): string[] {
  const named = (name: string | undefined) => (name === undefined ? undefined : own(prompts, name)) ?? "";
  if (label && !usesPrompts) return input.map(() => "");
  if (label === undefined || label.score !== undefined) return input.map(() => named(promptName ?? defaultPrompt));
  return input.map((_, i) => named(i === 0 ? "query" : "document"));
}

/** Lowercased letter by letter, as tokenizers do. */
const prepared = (text: string, { lowercases }: EmbeddingFormat): string =>
  lowercases ? Array.from(text, (letter) => letter.toLowerCase()).join("") : text;

/**
 * The number of tokens of each prompt, with the special tokens before it.
 * @throws UsageError for a prompt that fills `maxLength`: all texts would have the same embedding
 */
async function promptTokens(
  prompts: readonly string[],
  tokenizer: Tokenizer,
  format: EmbeddingFormat,
  maxLength = Number.POSITIVE_INFINITY,
): Promise<ReadonlyMap<string, number>> {
  const given = [...new Set(prompts)].filter((prompt) => prompt !== "");
  const after = (await tokenizer.suffixIds()).length;
  const encoded = await tokenizer.encodeBatch(given.map((prompt) => [prepared(prompt, format)] as const));
  const counts = given.map((prompt, i) => [prompt, (encoded[i] as Encoded).inputIds.length] as const);
  const filling = counts.find(([, count]) => count >= maxLength);
  if (filling)
    throw new UsageError(
      `The model's prompt ${JSON.stringify(filling[0])} has ${filling[1]} tokens, special ones included, and --max-length ${maxLength} leaves none for a text: give a larger --max-length.`,
    );
  return new Map(counts.map(([prompt, count]) => [prompt, count - after]));
}

/** A key for each text of an example; texts with the same tokens have the same. */
export const keysOf = (example: EncodedEmbeddingExample): string[] =>
  encodedTexts(example).map(({ inputIds }) => inputIds.join(" "));
