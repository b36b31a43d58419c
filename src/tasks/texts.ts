import * as z from "zod";
/** What tasks on whole texts have in common. */
import { type Location, rowError, type TextExample, where } from "../data/index.js";
import type { HeadKind } from "../models/index.js";
import type { Encoded, Tokenizer } from "../text/index.js";
import type { EncodedRow, EncodeOptions } from "./task.js";

/** One prediction a row, from the state of one of its tokens: every architecture has its own such head. */
export const SEQUENCE_HEAD: HeadKind = { className: "ForSequenceClassification" };

/** @param targetOf what the loss takes for a labelled example; throws where the label does not fit */
export async function encodeTexts<Label, Target>(
  examples: readonly TextExample<Label>[],
  tokenizer: Tokenizer,
  { maxLength }: EncodeOptions,
  targetOf: (example: TextExample<Label>) => Target,
): Promise<EncodedRow<Target>[]> {
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

/** A label of another kind than the task's, as rows of a named data set may have. */
export function misfit(label: unknown, { file, line }: Location, wanted: string): Error {
  return rowError(file, line, `the label ${JSON.stringify(label)} does not fit the task, which takes ${wanted}.`);
}

/** What a labelled row's target is. @throws TypeError for a row without one, which has no loss */
export function targetOf<Target>({ target, at }: EncodedRow<Target>): Target {
  if (target === undefined) throw new TypeError(`${where(at)} has no label, so no loss.`);
  return target;
}

/** Probabilities that sum to one. */
export function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The logits of a prediction in a file, by which it is known how many labels there are; undefined where there are none. */
export const writtenLogits = z.array(z.unknown()).optional().catch(undefined);
