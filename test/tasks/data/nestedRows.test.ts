import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { uniforms } from "../../../src/base/index.js";
import { foldsForSearch, splitForSearch, subsetsOf } from "../../../src/tasks/data/index.js";
import { countNested, groupsOfRows } from "../../../src/tasks/data/nestedRows.js";

interface Golden {
  readonly shortest: number;
  readonly rows: readonly (readonly string[])[];
  readonly groups: readonly number[];
  readonly nested: number;
}

const golden = JSON.parse(
  readFileSync(new URL("../../golden/data/nested.json", import.meta.url), "utf8"),
) as readonly Golden[];

const AS_TEXTS = { isOfWords: false };
const rowsOf = (inputs: readonly unknown[]) => inputs.map((input) => ({ input }));

describe("rows with nested texts", () => {
  test.each(golden)("are found as by comparing every text with every other (from $shortest words)", (one) => {
    const rows = rowsOf(one.rows);
    expect([...groupsOfRows(rows, { ...AS_TEXTS, shortest: one.shortest })]).toEqual(one.groups);
    expect(countNested(rows.slice(0, 20), rows.slice(20), AS_TEXTS)).toBe(one.nested);
  });

  it("are read as the model reads them: words, prompts, conversations, objects of texts", () => {
    const of = (inputs: readonly unknown[], isOfWords = false) => [
      ...groupsOfRows(rowsOf(inputs), { isOfWords, shortest: 2 }),
    ];
    expect(of([["a", "b", "c"], ["a b"], ["B", "C"], ["b"]], true)).toEqual([0, 0, 0, 3]);
    expect(of([{ prompt: "a b", completion: "x y" }, { prompt: "z a b" }, { text: "x y" }])).toEqual([0, 0, 2]);
    const chat = (...contents: string[]) => ({
      messages: contents.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content })),
    });
    expect(of([chat("a b", "x y"), chat("a b", "z"), chat("c x y", "d")])).toEqual([0, 0, 2]);
    expect(of([{ anchor: "a b", positive: "c d" }, { anchor: "e f", positive: "g c d" }, { anchor: "h" }])).toEqual([
      0, 0, 2,
    ]);
    expect(of([3, 3, undefined])).toEqual([0, 0, 0]);
  });

  it("of many rows are found in little time, and no others, although some have equal hashes", () => {
    const random = uniforms(3, 0);
    const words = () => Array.from({ length: 6 }, () => Math.floor(5000 * random()));
    const rows = rowsOf(Array.from({ length: 100_000 }, () => [`all ${words().join(" ")}`]));
    const began = performance.now();
    expect(new Set(groupsOfRows(rows, { ...AS_TEXTS, shortest: 1 })).size).toBe(100_000);
    // Comparing every two rows would take hours.
    expect(performance.now() - began).toBeLessThan(60_000);
  });
});

describe("a split by groups", () => {
  const draw = { fraction: 0.75, shuffle: true, seed: 3 };
  const numbers = Array.from({ length: 40 }, (_, i) => i);

  it("of single examples is the split without groups", () => {
    expect(splitForSearch(40, { ...draw, groups: numbers })).toEqual(splitForSearch(40, draw));
  });

  it("splits no group, and has as many examples as they allow", () => {
    const groups = numbers.map((i) => (i < 12 ? 0 : i < 20 ? 1 : Math.floor(i / 4)));
    for (const seed of [0, 1, 2, 3, 4]) {
      const { lower, upper } = splitForSearch(40, { ...draw, seed, groups });
      expect([...lower, ...upper].sort((a, b) => a - b)).toEqual(numbers);
      const of = (side: readonly number[]) => new Set(side.map((i) => groups[i]));
      expect([...of(lower)].filter((group) => of(upper).has(group))).toEqual([]);
      expect(upper.length).toBe(8);
    }
    const drawn = [0, 1, 2].map((seed) => splitForSearch(40, { ...draw, seed, groups }).upper.join());
    expect(new Set(drawn).size).toBe(3);
    expect(splitForSearch(40, { ...draw, seed: 1, groups }).upper.join()).toBe(drawn[1]);
  });

  it("leaves a group that is too large to the lower level, and refuses if all are", () => {
    const groups = numbers.map((i) => (i < 35 ? 0 : i));
    const { upper } = splitForSearch(40, { ...draw, groups });
    expect([...upper].sort((a, b) => a - b)).toEqual([35, 36, 37, 38, 39]);
    expect(() => splitForSearch(40, { ...draw, groups: numbers.map((i) => Math.floor(i / 20)) })).toThrow(
      "each is larger than the 10 rows to hold out (the largest has 20 of 40)",
    );
  });

  it("into folds keeps groups whole and the folds as equal as they allow", () => {
    const groups = numbers.map((i) => (i < 14 ? 0 : Math.floor(i / 2)));
    const folds = foldsForSearch(40, { folds: 3, shuffle: true, seed: 1, groups });
    expect(folds.map(({ length }) => length).sort()).toEqual([12, 14, 14]);
    for (const fold of folds)
      for (const i of fold)
        expect(numbers.filter((j) => groups[j] === groups[i]).every((j) => fold.includes(j))).toBe(true);
    expect(() => foldsForSearch(40, { folds: 3, shuffle: true, seed: 1, groups: numbers.map((i) => i % 2) })).toThrow(
      "more than the 2 groups",
    );
  });

  it("holds out the examples that the upper level of a search takes, among those that the limit leaves", () => {
    const groupsOf = (chosen: readonly number[]) => chosen.map((i) => Math.floor(i / 3));
    const { train, holdout } = subsetsOf(numbers, { trainLimit: 30, holdoutFraction: 0.25, ...draw, groupsOf });
    expect([train.length, holdout!.length]).toEqual([22, 8]);
    const all = [...train, ...holdout!].sort((a, b) => a - b);
    const { upper } = splitForSearch(30, { ...draw, groups: groupsOf(all) });
    expect(upper.map((place) => all[place]!).sort((a, b) => a - b)).toEqual(holdout);
  });
});
