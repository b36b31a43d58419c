import { describe, expect, it } from "vitest";
import { bleu, nist } from "../src/index.js";
import { mtevalWords } from "../src/mtevalWords.js";
import { golden, measured, over } from "./golden.js";

describe("words match mteval-v13a's tokenizer", () => {
  it.each(golden.rows)("$prediction", ({ prediction, mteval }) => {
    expect(mtevalWords(prediction)).toStrictEqual(mteval);
  });

  it.each(golden.mtevalWords)("%j", (text, words) => {
    expect(mtevalWords(text)).toStrictEqual(words);
  });

  it("do not exist in an empty text, and keep points and commas within numbers", () => {
    expect(mtevalWords(" \u2003\n")).toStrictEqual([]);
    expect(mtevalWords("1,250.5 a,b .5 3-D x-ray it's")).toStrictEqual(
      ["1,250.5", "a", ",", "b", ".", "5", "3", "-", "d", "x-ray", "it's"], // no space before .5: mteval has it so
    );
  });
});

describe("BLEU", () => {
  it.each(golden.corpora)("of $name", ({ rows, bleu: expected, each }) => {
    expect(bleu().result(measured(bleu(), rows)).bleu).toBeCloseTo(expected, 12);
    for (const [index, row] of measured(bleu(), rows).entries()) {
      expect(bleu().result([row]).bleu).toBeCloseTo(each.bleu[index]!, 12);
    }
  });

  it("is 0 without words, and 1 for a text equal to a reference, however short", () => {
    expect(over(bleu(), [["", "a b c d"]])).toStrictEqual({ bleu: 0 });
    expect(over(bleu(), [["A b c d", "x y", "a B c d"]])).toStrictEqual({ bleu: 1 });
    expect(over(bleu(), [["a b c", "a b c"]])).toStrictEqual({ bleu: 1 });
  });

  it("counts half a match for the first n without a match, then a quarter", () => {
    expect(over(bleu(), [["a b x c d", "a b c d e"]]).bleu).toBeCloseTo(
      ((4 / 5) * (2 / 4) * (1 / 6) * (1 / 8)) ** 0.25,
      12,
    );
  });

  it("ignores references without words for the brevity penalty, in any order", () => {
    const expected = over(bleu(), [["a b", "a b c d e f g"]]);
    expect(over(bleu(), [["a b", "", "a b c d e f g"]])).toStrictEqual(expected);
    expect(over(bleu(), [["a b", "a b c d e f g", " "]])).toStrictEqual(expected);
    expect(over(bleu(), [["a b", ""]]).bleu).toBeCloseTo((1 / 16) ** 0.25, 12); // no hit: a half of 2, a quarter of 1
  });

  it("uses the shorter of two equally close references", () => {
    expect(over(bleu(), [["a b c d e", "a b c d e f", "a b c d"]])).toStrictEqual({ bleu: 1 });
    expect(over(bleu(), [["a b c d e", "a b c d", "a b c d e f"]])).toStrictEqual({ bleu: 1 });
  });
});

describe("NIST", () => {
  it.each(golden.corpora)("of $name", ({ rows, nist: expected, each }) => {
    const corpus = measured(nist(), rows);
    expect(nist().result(corpus).nist).toBeCloseTo(expected, 11);
    for (const [index, row] of corpus.entries()) {
      expect(nist().result([row], corpus).nist).toBeCloseTo(each.nist[index]!, 11);
    }
  });

  it("compares lengths with the mean over all references that have words, not over each row's", () => {
    const rows = [
      ["a b", "a b c d", "a b c d"],
      ["e f", "e f"],
    ] as const;
    const penalty = 0.5 ** ((Math.log(4 / (2 * (10 / 3))) / Math.log(2 / 3)) ** 2);
    const bits = (2 * Math.log2(10 / 2) + 2 * Math.log2(10 / 1)) / 4;
    expect(over(nist(), rows).nist).toBeCloseTo(bits * penalty, 12);
    expect(over(nist(), [[...rows[0], " "], rows[1]])).toStrictEqual(over(nist(), rows));
  });

  it("uses n-gram information of the corpus, not of the sample", () => {
    const corpus = measured(nist(), golden.corpora[1]!.rows);
    const [sample, others] = [corpus.slice(0, 4), corpus.slice(4)];
    expect(nist().result(sample, corpus).nist).not.toBeCloseTo(nist().result(sample).nist!, 2);
    expect(nist().result(sample, corpus).nist).not.toBeCloseTo(nist().result(sample, others).nist!, 2);
    expect(nist().result(corpus, corpus)).toStrictEqual(nist().result(corpus));
  });

  it("notices rows added to a corpus", () => {
    const corpus = measured(nist(), [0, 1, 2]);
    nist().result(corpus);
    corpus.push(...measured(nist(), [3, 4]));
    expect(nist().result(corpus)).toStrictEqual(nist().result([...corpus]));
  });

  it("is 0 without matches or words, and short texts have no long n-grams", () => {
    expect(over(nist(), [["x", "a b"]])).toStrictEqual({ nist: 0 });
    expect(over(nist(), [["", "a b"]])).toStrictEqual({ nist: 0 });
    expect(over(nist(), [["a b", "a b"]])).toStrictEqual({ nist: 1 }); // one bit a word; "b" is certain after "a"
    // Four of five words of the references are there, "a" twice; after "a" come "b" and "c", each once.
    const penalty = 0.5 ** ((Math.log(4 / 5) / Math.log(2 / 3)) ** 2);
    const bits = (2 * Math.log2(5 / 2) + 2 * Math.log2(5)) / 4 + 2 / 3;
    expect(
      over(nist(), [
        ["a b a c", "a b a c"],
        ["", "f"],
      ]).nist,
    ).toBeCloseTo(bits * penalty, 12);
  });
});

it("BLEU and NIST are numbers for texts and references without words", () => {
  expect(over(bleu(), [["", " "]])).toStrictEqual({ bleu: 0 });
  expect(over(nist(), [["", " "]])).toStrictEqual({ nist: 0 });
  expect(over(nist(), [["a b", ""]])).toStrictEqual({ nist: 0 });
});

describe("rows without references, and no rows", () => {
  it.each([bleu(), nist()])("are rejected", (metric) => {
    expect(() => metric.measure([], "a", 7)).toThrow(/METRIC_ROWS|reference in row 7/);
    expect(() => metric.result([])).toThrow(/at least one row/);
  });
});
