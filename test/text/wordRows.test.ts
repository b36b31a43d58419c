import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, it } from "vitest";
import { loadTokenizer } from "../../src/text/index.js";
import { stretchesOf } from "../../src/text/splitWords.js";

const wordsOf = (lengths: readonly number[]) => {
  let next = 0;
  return lengths.map((length) => Array.from({ length }, () => next++));
};

it("words are split into as few rows as hold them in order", () => {
  const lengths = fc.array(fc.nat({ max: 4 }), { maxLength: 30 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 4, max: 9 }), (each, room) => {
      const words = wordsOf(each);
      const stretches = stretchesOf(words, room);
      expect(stretches.flat()).toEqual(words);
      const tokens = stretches.map((stretch) => stretch.flat().length);
      expect(Math.max(...tokens)).toBeLessThanOrEqual(room);
      for (const [i, next] of stretches.slice(1).entries())
        expect((tokens[i] as number) + (next[0] as readonly number[]).length).toBeGreaterThan(room);
    }),
  );
});

it("a word longer than a row is truncated and gets a row alone", () => {
  expect(stretchesOf(wordsOf([1, 5, 2]), 3)).toEqual([[[0]], [[1, 2, 3]], [[6, 7]]]);
  expect(stretchesOf(wordsOf([3, 0, 3, 0]), 3)).toEqual([
    [[0, 1, 2], []],
    [[3, 4, 5], []],
  ]);
  expect(stretchesOf([], 3)).toEqual([[]]);
});

it.each(["bert-uncased", "gpt2", "roberta"])(
  "rows of %s are encoded as if their words were the whole text",
  async (name) => {
    const tokenizer = await loadTokenizer(fileURLToPath(new URL(`../golden/text/${name}`, import.meta.url)));
    const words = Array.from(
      { length: 40 },
      (_, i) => ["the", "tangling-tangling", "Cat", "\u200b", "naïve"][i % 5] as string,
    );
    const [rows = []] = await tokenizer.encodeWordRows([words], { maxLength: 24 });
    expect(rows.length).toBeGreaterThan(2);
    let next = 0;
    for (const row of rows) {
      const own = words.slice(next, next + row.wordStarts.length);
      next += own.length;
      expect(row.inputIds.length).toBeLessThanOrEqual(24);
      expect(row).toEqual(await tokenizer.encodeWords(own));
    }
    expect(next).toBe(words.length);
    expect(await tokenizer.encodeWordRows([words, []])).toEqual([
      [await tokenizer.encodeWords(words)],
      [await tokenizer.encodeWords([])],
    ]);
    const long = "tangling-".repeat(20);
    const [cut = []] = await tokenizer.encodeWordRows([["the", long, "the"]], { maxLength: 24 });
    expect(cut.map(({ wordStarts }) => wordStarts.length)).toEqual([1, 1, 1]);
    expect(cut[1]).toEqual(await tokenizer.encodeWords([long], { maxLength: 24 }));
  },
);
