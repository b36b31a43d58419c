import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { meteor } from "../src/index.js";
import { align } from "../src/meteorAlignment.js";
import { meteorWords } from "../src/meteorWords.js";
import { meanings } from "../src/wordnet.js";
import { golden, measured, over } from "./golden.js";

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return { ...fs, readFileSync: vi.fn(fs.readFileSync) };
});

/** What METEOR counts of a row, in the order of its program's statistics. */
function statistics(numbers: readonly number[]) {
  const [words, referenceWords] = numbers;
  return { words, referenceWords, chunks: numbers[20], matches: numbers[21] };
}

describe("METEOR matches METEOR 1.5 without paraphrases", () => {
  it.each(golden.corpora)("of $name", ({ rows, meteor: expected, each }) => {
    const found = measured(meteor(), rows);
    for (const [index, row] of found.entries()) {
      expect(row).toMatchObject(statistics(golden.rows[rows[index]!]!.meteorStatistics));
      expect(meteor().result([row]).meteor).toBeCloseTo(each.meteor[index]!, 12);
    }
    expect(meteor().result(found).meteor).toBeCloseTo(expected, 12);
  });

  it("is 1 for a text equal to a reference, and 0 without a common word or any word", () => {
    expect(
      over(meteor(), [
        ["The pub.", "x", "the Pub"],
        ["A b c", "a b c"],
      ]).meteor,
    ).toBeCloseTo(1, 12);
    expect(over(meteor(), [["zebra", "pub"]])).toStrictEqual({ meteor: 0 });
    expect(over(meteor(), [["", ""]])).toStrictEqual({ meteor: 0 });
  });

  it("rejects rows without references, and no rows", () => {
    expect(() => meteor().measure([], "a", 7)).toThrow(/reference in row 7/);
    expect(() => meteor().result([])).toThrow(/at least one row/);
  });
});

describe("words match METEOR's normalizer", () => {
  it.each(golden.meteorWords)("of %s", (text, words) => {
    expect(meteorWords(text).join(" ")).toBe(words);
  });
});

describe("WordNet meanings", () => {
  const share = (a: string, b: string) => [...meanings().of(a)].some((meaning) => meanings().of(b).has(meaning));

  it("are shared by synonyms, in regular and irregular forms", () => {
    expect(share("children", "kids")).toBe(true); // irregular, and by its ending
    expect(share("women", "woman")).toBe(true);
    expect(share("ate", "consumed")).toBe(true);
    expect(share("friendlier", "friendly")).toBe(true);
    expect(share("kid", "pub")).toBe(false);
  });

  it("do not exist for words that WordNet lacks, and are found for the first and last words of its lists", () => {
    for (const word of ["", " ", "x y", "zzzz", "children's", "ürün", "__proto__"])
      expect(meanings().of(word).size).toBe(0);
    for (const word of ["a", "zymurgy", "zurvanism", "zoom", "zygotic", "zestfully"]) {
      expect(meanings().of(word).size).toBeGreaterThan(0);
    }
  });

  it("match METEOR's own dictionary", () => {
    for (const [word, numbers] of golden.meanings) {
      expect([word, [...meanings().of(word)].sort((a, b) => a - b)]).toStrictEqual([word, numbers]);
    }
  });

  it("are read when a text first needs them", async () => {
    vi.resetModules();
    const read = vi.mocked(readFileSync);
    read.mockClear();
    const lists = () => read.mock.calls.filter(([name]) => String(name).endsWith("index.noun")).length;
    const fresh = await import("../src/index.js");
    fresh.bleu().measure(["a b"], "a b", 1);
    fresh.meteor().measure(["a b"], "a b", 1);
    expect(lists()).toBe(0);
    for (const row of [1, 2]) fresh.meteor().measure(["a b"], "a c", row);
    expect(lists()).toBe(1);
  });
});

describe("alignment", () => {
  const chunksOf = (text: string, reference: string) => {
    const { matches, chunks } = align(text.split(" "), reference.split(" "));
    return [matches.map(({ at, to }) => `${at}-${to}`).join(" "), chunks];
  };

  it("prefers few chunks to near words", () => {
    expect(chunksOf("the pub x the river", "near the river")).toStrictEqual(["3-1 4-2", 1]);
    expect(chunksOf("a b c", "c a b")).toStrictEqual(["2-0 0-1 1-2", 2]);
  });

  it("aligns no word twice", () => {
    expect(chunksOf("the the the", "the pub the")).toStrictEqual(["0-0 1-2", 2]);
  });
});
