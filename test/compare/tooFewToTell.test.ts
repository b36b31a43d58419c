import { expect, test } from "vitest";
import { pairsNeeded, tooFewToTell } from "../../src/compare/holm.js";
import { wilcoxon } from "../../src/compare/wilcoxon.js";
import type { SignificanceTest } from "../../src/files/comparison.js";
import { bootstrapTest, wilcoxonTest } from "./sampleTests.js";

/** The p-value of n pairs, a ever further above b. */
const clearest = (n: number) => {
  const a = Array.from({ length: n }, (_, i) => i + 1);
  return wilcoxon(
    a,
    a.map(() => 0),
  ).p;
};

const family = (...differing: readonly number[]) => differing.map((count) => wilcoxonTest({ differing: count }));
const alike = (differing: number, size: number) => family(...Array.from({ length: size }, () => differing));

test("the sentence comes exactly where the clearest outcome is not significant", () => {
  for (let pairs = 0; pairs <= 12; pairs++)
    for (const size of [1, 2, 3, 10])
      expect(tooFewToTell(alike(pairs, size)).length === 0, `${pairs} pairs, ${size} tests`).toBe(
        size * clearest(pairs) < 0.05,
      );
});

test("it says what p there can be, and how many pairs it takes", () => {
  expect(tooFewToTell(family(3))).toEqual([
    "3 pairs of runs that differ are too few to tell: whatever comes out, the smallest p that an exact test can give is 0.25; with 6, p < 0.05 is possible.",
  ]);
  expect(tooFewToTell(family(1))[0]).toContain("1 pair of runs that differs is too few to tell");
  expect(tooFewToTell(family(0))[0]).toContain("can give is 1;");
  expect(tooFewToTell(alike(6, 3))[0]).toContain("is 0.0938, corrected for 3 tests; with 7,");
  expect(tooFewToTell([])).toEqual([]);
});

test("pairs without a difference do not count", () => {
  expect(tooFewToTell([wilcoxonTest({ pairs: 12, differing: 5 })])).toHaveLength(1);
  expect(tooFewToTell([wilcoxonTest({ pairs: 12, differing: 6 })])).toEqual([]);
});

test("a test whose p is the largest of its family is not multiplied by the number of tests", () => {
  // 8 pairs: 0.0078 × 3; 6 pairs: the largest of the three, 0.03125 × 1.
  expect(tooFewToTell(family(8, 8, 6))).toEqual([]);
  expect(tooFewToTell(family(8, 5, 3))).toEqual([expect.stringContaining("At most 5 pairs of runs that differ are")]);
  expect(tooFewToTell(family(8, 5, 3))[0]).toContain("can give is 0.125, corrected for 3 tests; with 7, p < 0.05 is");
});

test("it is said of tasks and of rows as well", () => {
  const tasks = Array.from({ length: 3 }, () => wilcoxonTest({ test: "wilcoxon-tasks", pairs: 6, differing: 6 }));
  expect(tooFewToTell(tasks)[0]).toContain("6 tasks whose means differ are too few to tell");
  const rows = [bootstrapTest({ pairs: 400, differing: 3 })];
  expect(tooFewToTell(rows)[0]).toContain("3 rows that are judged differently are too few to tell");
  expect(tooFewToTell([bootstrapTest({ pairs: 400, differing: 6 })])).toEqual([]);
});

test("a bootstrap whose resamples can't count so small a p is told so", () => {
  const of = (resamples: number, size: number): SignificanceTest[] =>
    Array.from({ length: size }, () => bootstrapTest({ differing: 300, resamples }));
  expect(tooFewToTell(of(1000, 55))).toEqual([
    "1,000 resamples are too few to tell: whatever comes out, the smallest p that a bootstrap can give is 0.0549, corrected for 55 tests; with 1,100, p < 0.05 is possible.",
  ]);
  expect(tooFewToTell(of(1100, 55))).toEqual([]);
});

test("six pairs are the fewest that one test can tell by", () => {
  expect(pairsNeeded()).toBe(6);
  for (const size of [1, 2, 3, 55, 300]) {
    expect(size * clearest(pairsNeeded(size))).toBeLessThan(0.05);
    expect(size * clearest(pairsNeeded(size) - 1)).toBeGreaterThanOrEqual(0.05);
  }
});
