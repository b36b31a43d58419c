import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeExamples, TASKS } from "../../src/tasks/index.js";
import { boundariesOf } from "../../src/text/boundaries.js";
import { loadTokenizer, type Texts } from "../../src/text/index.js";
import type { NativeTokenizer } from "../../src/text/native.js";
import { StartEncoder } from "../../src/text/start.js";

const folder = fileURLToPath(new URL("../golden/text", import.meta.url));
const NAMES = Object.keys(JSON.parse(readFileSync(`${folder}/golden.json`, "utf8")) as object);
const WHOLE = Number.MAX_SAFE_INTEGER;

const WORDS = ["the cat", "sat", "on", "while", "Mädchen", "é", "e\u0301", "Σ", "ﬁ", "①", "don't", "a,b.c", "12", "3"];
const ODD = [
  "漢字",
  "かな",
  "한국어",
  "😀",
  "\u200D",
  "\u0301",
  "\u0600",
  "\u0D4E",
  "\uFC5E",
  "\u0000",
  "▁",
  "'s",
  "!",
  "cat,",
  '{"a":',
  "...",
  "= ",
  "\u0338",
  "\uFF9E",
];
const LONG = ["x".repeat(120), "ж".repeat(130), "漢".repeat(30), "ab1".repeat(60), " ".repeat(70), "\n".repeat(70)];
const SPECIALS = ["[MASK]", "[SEP]", "<mask>", "<s>", "</s>", "<pad>", "<|endoftext|>"];
const SPACES = [" ", " ", " ", " ", "  ", "\n", "\t", "\u00A0", "\u3000", ""];

const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 2, arbitrary: fc.constantFrom(...ODD) },
  { weight: 1, arbitrary: fc.constantFrom(...LONG, ...SPECIALS) },
);
const text = fc
  .array(fc.tuple(piece, fc.constantFrom(...SPACES)), { maxLength: 60 })
  .map((parts) => parts.flat().join(""));
const row = fc.oneof(fc.tuple(text), fc.tuple(text, text));

describe.each(NAMES)("%s gives what the whole text gives", (name) => {
  const tokenizer = loadTokenizer(`${folder}/${name}`);

  it("for texts and pairs", async () => {
    const lengths = fc.integer({ min: 5, max: 40 });
    const first = fc.integer({ min: 1, max: 30 });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 4 }), lengths, first, async (rows, maxLength, firstCharacters) => {
        const encode = async (characters: number) =>
          (await tokenizer).encodeBatch(rows as Texts[], { maxLength, firstCharacters: characters });
        expect(await encode(firstCharacters)).toEqual(await encode(WHOLE));
      }),
      { numRuns: 150 },
    );
  });

  it("for words", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 8 }), fc.integer({ min: 1, max: 30 }), async (words, first) => {
        const encode = async (firstCharacters: number) =>
          (await tokenizer).encodeWords(words, { maxLength: 12, firstCharacters });
        expect(await encode(first)).toEqual(await encode(WHOLE));
      }),
      { numRuns: 60 },
    );
  });
});

describe("truncating a very long text", () => {
  const LENGTH = 8_000_000;
  const cases: readonly (readonly [string, string])[] = [
    ["words", "the cat sat on the mat ".repeat(LENGTH / 23)],
    ["one word", "x".repeat(LENGTH)],
    ["spaces", " ".repeat(LENGTH)],
    ["ideographs", "漢".repeat(LENGTH)],
    ["words with marks", "the, cat, sat, ".repeat(LENGTH / 15)],
    ["numbers between commas", "1,2,3,".repeat(LENGTH / 6)],
    ["dots", ".".repeat(LENGTH)],
    ["JSON", '{"a": "b"}, '.repeat(LENGTH / 12)],
  ];

  it.each(cases)("of %s takes little time with BERT's tokenizer", async (_, long) => {
    const tokenizer = await loadTokenizer(`${folder}/bert-uncased`);
    const start = process.cpuUsage();
    const { inputIds: ids } = await tokenizer.encode([long], { maxLength: 128 });
    const { user } = process.cpuUsage(start);
    expect(ids).toEqual((await tokenizer.encode([long.slice(0, 3000)], { maxLength: 128 })).inputIds);
    expect(user / 1e6).toBeLessThan(2);
  });

  it("of words with punctuation takes little time with a byte-level tokenizer", async () => {
    const tokenizer = await loadTokenizer(`${folder}/roberta`);
    const start = "the, cat, sat! (on) ".repeat(LENGTH / 20);
    const { inputIds: ids } = await tokenizer.encode([start], { maxLength: 128 });
    expect(ids).toEqual((await tokenizer.encode([start.slice(0, 4000)], { maxLength: 128 })).inputIds);
  });

  it("is refused, naming the row, if the text has no place to split it", async () => {
    const tokenizer = await loadTokenizer(`${folder}/roberta`);
    const input = ["a", "x".repeat(LENGTH)] as const;
    const row = { input, label: undefined, at: { file: "f.csv", line: 7 } };
    const encoding = { labels: undefined, maxLength: 128 };
    await expect(encodeExamples(TASKS["sequence-classification"], [row], tokenizer, encoding)).rejects.toThrow(
      /^f\.csv line 7: \d+ characters of the text have no space between words/,
    );
  });
});

describe("no boundary is known", () => {
  const sound = { pre_tokenizer: { type: "Whitespace" }, model: { type: "BPE" } };
  it.each([
    ["of an unknown normalizer", { normalizer: { type: "Replace", pattern: { String: " " }, content: "" } }],
    [
      "of a Strip in a sequence",
      { normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Strip" }] } },
    ],
    ["without a pre-tokenizer", { pre_tokenizer: null }],
    ["of a pre-tokenizer with an expression of its own", { pre_tokenizer: { type: "Split", pattern: { Regex: "x" } } }],
    ["of bytes that are not split", { pre_tokenizer: { type: "ByteLevel", use_regex: false } }],
    ["of Metaspace that does not split", { pre_tokenizer: { type: "Metaspace", split: false } }],
    ["with an added token across a space", { added_tokens: [{ content: "a b", normalized: false }] }],
    [
      "with an added token that takes what follows",
      { added_tokens: [{ content: "<a>", normalized: false, rstrip: true }] },
    ],
    ["with random merges", { model: { type: "BPE", dropout: 0.1 } }],
  ])("%s", (_, change) => {
    expect(boundariesOf(sound)).toBeDefined();
    expect(boundariesOf({ ...sound, ...change })).toBeUndefined();
  });
});

it("a failure ends the texts that wait for their turn", async () => {
  let calls = 0;
  const fails = async () => {
    calls++;
    throw new Error("no token for unknown words");
  };
  const encoder = new StartEncoder({ encodeBatch: fails } as unknown as NativeTokenizer, undefined);
  const encoding = encoder.encode(new Array<string>(20_000).fill("a"), { tokens: undefined });
  await expect(encoding).rejects.toThrow("no token for unknown words");
  await setTimeout(10);
  expect(calls).toBeLessThanOrEqual(8); // of 20: the first ones, and those that they begin as they end
});
