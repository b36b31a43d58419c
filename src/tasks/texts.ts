// Parts shared by tasks on whole texts.
import * as z from "zod";
import type { HeadKind } from "../models/index.js";
import type { Encoded, Tokenizer } from "../text/index.js";
import type { EncodedExample, EncodeOptions } from "./batch.js";
import { type Location, rowError, type TextExample } from "./data/index.js";

/** One prediction per example, from the state of one token; each architecture has its own head. */
export const SEQUENCE_HEAD: HeadKind = { className: "ForSequenceClassification" };

/** @param targetOf the target of a labeled example; throws if the label does not fit */
export async function encodeTexts<Label, Target>(
  examples: readonly TextExample<Label>[],
  tokenizer: Tokenizer,
  { maxLength }: EncodeOptions,
  targetOf: (example: TextExample<Label>) => Target,
): Promise<EncodedExample<Target>[]> {
  const encoded = await tokenizer.encodeBatch(
    examples.map(({ input }) => input),
    { maxLength },
  );
  return examples.map((example, i) => ({
    ...(encoded[i] as Encoded),
    target: example.label === undefined ? undefined : targetOf(example),
    at: example.at,
  }));
}

/** The texts of an example, or its pairs of texts, that are laid end to end. @param lengths the number of tokens of each */
export function encodedTexts({
  inputIds,
  tokenTypeIds,
  lengths,
}: Encoded & { readonly lengths: readonly number[] }): Encoded[] {
  let start = 0;
  return lengths.map((length) => {
    const end = start + length;
    const text = { inputIds: inputIds.slice(start, end), tokenTypeIds: tokenTypeIds.slice(start, end) };
    start = end;
    return text;
  });
}

/** The error for a label of another type than the task's, as examples of a named data set may have. */
export function labelMismatch(label: unknown, { file, line }: Location, wanted: string): Error {
  return rowError(file, line, `the label ${JSON.stringify(label)} does not fit the task, which takes ${wanted}.`);
}

/** Probabilities that sum to one. */
export function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The logits of a prediction in a file, from which the number of labels follows; undefined if there are none. */
export const writtenLogits = z.array(z.unknown()).optional().catch(undefined);
