/** Which examples are the same to a model: those with the same input, whatever their labels, files and order. */
import { hash } from "node:crypto";
import { isObject } from "../../base/index.js";
import type { Example } from "./example.js";

/** Characters of base64, which hold 48 bits: two different examples of a million have one key in less than 1 of 500 data sets. */
const KEY_LENGTH = 8;

type Keyed = Pick<Example, "input" | "at">;

/** A key of what the model reads of an example. Examples that differ only in labels or completions have the same key. */
export const exampleKey = ({ input, at }: Keyed): string => keyOf(readByModel(input), at);

/** A key of all of an example's input, with a completion that the model is to give. */
export const wholeKey = ({ input, at }: Keyed): string => keyOf(input, at);

/** The keys of the examples of several splits. A prompt that all of them have tells no examples apart: then completions count too. */
export function keysOfSplits(splits: readonly (readonly Keyed[])[]): string[][] {
  const keys = splits.map((examples) => examples.map(exampleKey));
  return new Set(keys.flat()).size > 1 ? keys : splits.map((examples) => examples.map(wholeKey));
}

const keyOf = (read: unknown, at: Keyed["at"]): string =>
  hash("sha256", written(read) ?? JSON.stringify(at), "base64url").slice(0, KEY_LENGTH);

/** Undefined for the input of a custom task that JSON can't hold. */
function written(read: unknown): string | undefined {
  try {
    return JSON.stringify([read]);
  } catch {
    return undefined;
  }
}

/** The input without what the model is to answer. A text alone is the same example as a list of one. */
export function readByModel(input: unknown): unknown {
  if (!isObject(input)) return input;
  if ("prompt" in input) return [input.prompt];
  if ("text" in input) return [input.text];
  if (Array.isArray(input.messages)) return [withoutAnswer(input.messages)];
  return input;
}

function withoutAnswer(messages: readonly unknown[]): readonly unknown[] {
  const last = messages.at(-1);
  return messages.length > 1 && isObject(last) && last.role === "assistant" ? messages.slice(0, -1) : messages;
}

/** How many of the examples, given by their keys, are also among others. */
export function countShared(examples: readonly string[], others: readonly string[]): number {
  const known = new Set(others);
  return examples.filter((key) => known.has(key)).length;
}

/** How many keys a sample of examples has: all of fewer examples. */
const SAMPLE = 4096;

/** The smallest keys. Samples of examples with common keys have some of these in common, however the examples were drawn. */
export const sampleOf = (keys: readonly string[]): readonly string[] => [...new Set(keys)].sort().slice(0, SAMPLE);
