// Prompts are tokenized in pieces: whole ones have the tokens of the whole text, and too long ones are given up early.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { boundariesOf } from "../../src/text/boundaries.js";
import { loadTokenizer, type TextTokens } from "../../src/text/index.js";
import { createNative, nativeText } from "../../src/text/native.js";
import { BoundedEncoder } from "../../src/text/start.js";
import { few } from "../support/few.js";

const folder = fileURLToPath(new URL("../golden/text", import.meta.url));
const NAMES = Object.keys(JSON.parse(readFileSync(`${folder}/golden.json`, "utf8")) as object);

const words = (count: number): string =>
  Array.from(
    { length: count },
    (_, i) => ["The cat", "sat,", "a 😀", "on", "漢字漢字", "Mädchen\n", "12"][(i * i) % 7],
  ).join(" ");

const TEXTS: readonly (readonly [string, string])[] = [
  ["no text", ""],
  ["a short text", words(20)],
  ["many words", words(12_000)],
  ["many lines", "cat\n".repeat(18_000)],
  ["a long word among others", `${words(3000)} ${"x".repeat(70_000)} ${words(3000)}`],
  ["pairs of surrogates alone", "😀".repeat(30_000)],
];

describe.each(few(NAMES, 3))("%s", (name) => {
  test.each(TEXTS)("%s", async (_, text) => {
    const tokenizer = await loadTokenizer(`${folder}/${name}`);
    const [{ ids }] = (await tokenizer.tokensOf([text])) as [TextTokens];
    expect(await tokenizer.idsUpTo(text, ids.length)).toEqual(ids);
    if (text.length > 2 ** 16 && ids.length > 2000) expect(await tokenizer.idsUpTo(text, 500)).toBeUndefined();
  });
});

test.each([
  ["words, of a tokenizer whose places to split are known", "a cat ".repeat(500_000), true],
  ["words, of one whose places are not", "a cat ".repeat(500_000), false],
  ["one word", "x".repeat(3_000_000), true],
])("a prompt that is too long is tokenized no further than shows it: %s", async (_, text, isKnown) => {
  const { json } = await loadTokenizer(`${folder}/${NAMES.find((name) => name.includes("gpt2")) ?? NAMES[0]}`);
  const native = createNative(nativeText(json as never));
  let characters = 0;
  const counting: typeof native = {
    ...native,
    encodeBatch: (texts, options) => {
      for (const { length } of texts) characters += length;
      return native.encodeBatch(texts, options);
    },
  };
  const encoder = new BoundedEncoder(counting, isKnown ? boundariesOf(json as never) : undefined);
  expect(await encoder.encode(text, 1000)).toBeUndefined();
  expect(characters).toBeLessThan(100_000);
  characters = 0;
  await expect(encoder.encode(text, 1000, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  expect(characters).toBe(0);
});
