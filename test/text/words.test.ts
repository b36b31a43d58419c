// Many texts are tokenized by their distinct words, with the same tokens as whole.
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundariesOf } from "../../src/text/boundaries.js";
import { loadTokenizer } from "../../src/text/index.js";
import { MANY_TEXTS, WordEncoder } from "../../src/text/words.js";

const folder = (name: string) => fileURLToPath(new URL(`../golden/text/${name}`, import.meta.url));

const PARTS = [
  "cat",
  "The",
  "don't",
  "a,b.c",
  "12",
  " ",
  " ",
  " ",
  "  ",
  "\n",
  "\t",
  "\u00A0",
  "\u3000",
  "\u200B",
  "\u0000",
  "\u0301",
].concat([
  "é",
  "e\u0301",
  "漢",
  "字 ",
  "😀",
  "ﬁ",
  "Σ",
  ".",
  "-",
  "[MASK]",
  "[SEP] ",
  " [CLS]",
  "[mask]",
  "x".repeat(120),
]);
const text = fc.array(fc.constantFrom(...PARTS), { maxLength: 14 }).map((parts) => parts.join(""));

describe.each(["bert-cased", "bert-uncased", "bert-uncased-fast"])("%s", (name) => {
  test("each of many texts has the tokens that it has alone", async () => {
    const tokenizer = await loadTokenizer(folder(name));
    expect(boundariesOf(tokenizer.json as never)?.hasPlainWords).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: MANY_TEXTS, maxLength: 80 }), async (texts) => {
        const rows = await tokenizer.encodeBatch(texts.map((one) => [one] as const));
        const alone = await tokenizer.tokensOf(texts);
        expect(rows.map(({ inputIds }) => [...inputIds.slice(1, -1)])).toEqual(alone.map(({ ids }) => [...ids]));
      }),
      { numRuns: 40 },
    );
  });
});

test.each(["gpt2", "llama", "unigram", "esm"])("%s: other tokenizers get whole texts", async (name) => {
  const { json } = await loadTokenizer(folder(name));
  expect(boundariesOf(json as never)?.hasPlainWords ?? false).toBe(false);
});

test("a model of another kind gets whole texts", () => {
  const spec = { normalizer: null, pre_tokenizer: { type: "BertPreTokenizer" }, model: { type: "BPE", vocab: {} } };
  expect(boundariesOf(spec)?.hasPlainWords).toBe(false);
});

/** The lengths of texts for their tokens. The first call takes longest. */
function counting(given: string[]): WordEncoder {
  let calls = 0;
  return new WordEncoder(async (texts) => {
    given.push(...texts);
    await setTimeout(calls++ === 0 ? 20 : 0);
    return texts.map(({ length }) => [length]);
  });
}

test("a word is tokenized once, also in calls at the same time", async () => {
  const given: string[] = [];
  const encoder = counting(given);
  const calls = [
    ["a cat", "a cat cat"],
    ["a  cat", " cat\ncat cat"],
  ].map((texts) => encoder.encode(texts));
  expect(await Promise.all(calls)).toEqual([
    [
      [1, 4],
      [1, 4, 4],
    ],
    [[6], [8, 4]],
  ]);
  expect(given).toEqual(["a", " cat", "a  cat", " cat\ncat"]);
  expect(await encoder.encode(["a dog", ""])).toEqual([[1, 4], [0]]);
  expect(given.slice(4)).toEqual([" dog", ""]);
});

test("a long part of a text, which holds the text, is forgotten after the call", async () => {
  const given: string[] = [];
  const encoder = counting(given);
  const texts = ["a twelve-long", "a thirteen-long"];
  for (let call = 0; call < 2; call++) expect(await encoder.encode([...texts, ...texts])).toHaveLength(4);
  expect(given).toEqual(["a", " twelve-long", " thirteen-long", " thirteen-long"]);
});

test("a call that fails fails alone: the next one asks for its words again", async () => {
  let isBroken = true;
  const encoder = new WordEncoder(async (texts) => {
    if (isBroken) throw new Error("broken");
    return texts.map(({ length }) => [length]);
  });
  await expect(encoder.encode(["a cat"])).rejects.toThrow("broken");
  isBroken = false;
  expect(await encoder.encode(["a cat"])).toEqual([[1, 4]]);
});
