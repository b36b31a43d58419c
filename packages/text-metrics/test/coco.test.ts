import { describe, expect, it } from "vitest";
import { cider, rougeL } from "../src/index.js";
import { ptbWords } from "../src/ptbWords.js";
import { golden, measured, over } from "./golden.js";

describe("Penn Treebank words match pycocoevalcap's tokenizer", () => {
  it.each(golden.lines)("%s", (text, words) => {
    expect(ptbWords(text).join(" ")).toBe(words);
  });

  it.each(golden.rows)("$prediction and its references", ({ references, prediction, ptb }) => {
    expect(ptbWords(prediction).join(" ")).toBe(ptb.prediction);
    expect(references.map((reference) => ptbWords(reference).join(" "))).toStrictEqual(ptb.references);
  });

  it("treat line breaks as spaces", () => {
    expect(ptbWords("It is in U.K.\r\nHere\nit isn't.")).toStrictEqual("it is in u.k. here it is n't".split(" "));
    expect(ptbWords("")).toStrictEqual([]);
  });
});

describe("ROUGE-L", () => {
  it.each(golden.corpora)("of $name", ({ rows, rougeL: expected, each }) => {
    const found = measured(rougeL(), rows);
    for (const [index, score] of found.entries()) expect(score).toBeCloseTo(each.rougeL[index]!, 12);
    expect(rougeL().result(found).rougeL).toBeCloseTo(expected, 12);
  });

  it("is 1 for a text equal to a reference, and 0 without a common word", () => {
    expect(over(rougeL(), [["A pub.", "x y z", "a pub"]]).rougeL).toBeCloseTo(1, 12);
    expect(over(rougeL(), [["a b", "c d"]])).toStrictEqual({ rougeL: 0 });
  });
});

describe("CIDEr", () => {
  it.each(golden.corpora)("of $name", ({ rows, cider: expected, each }) => {
    const found = measured(cider(), rows);
    expect(cider().result(found).cider).toBeCloseTo(expected, 11);
    for (const [index, row] of found.entries()) {
      expect(cider().result([row], found).cider).toBeCloseTo(each.cider[index]!, 11);
    }
  });

  it("uses document frequencies of the corpus, not of the sample", () => {
    const corpus = measured(cider(), golden.corpora[1]!.rows);
    const sample = corpus.slice(0, 4);
    expect(cider().result(sample, corpus).cider).not.toBeCloseTo(cider().result(sample).cider!, 2);
    expect(cider().result(corpus, corpus)).toStrictEqual(cider().result(corpus));
  });
});

describe("rows without references, and no rows", () => {
  it.each([rougeL(), cider()])("are rejected", (metric) => {
    expect(() => metric.measure([], "a", 7)).toThrow(/reference in row 7/);
    expect(() => metric.result([])).toThrow(/at least one row/);
  });
});
