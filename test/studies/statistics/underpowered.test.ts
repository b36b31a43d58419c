import { expect, test } from "vitest";
import { pairsNeeded, withTooFewPairs } from "../../../src/studies/statistics/holm.js";
import { wilcoxon } from "../../../src/studies/statistics/wilcoxon.js";
import { bootstrapTest, wilcoxonTest } from "./sampleTests.js";

/** The p-value of n pairs of which a is the larger in all. */
const clearest = (n: number) => {
  const a = Array.from({ length: n }, (_, i) => i + 1);
  return wilcoxon(
    a,
    a.map(() => 0),
  ).p;
};

/** Of each test of a family, whether it has too few pairs. */
const tooFew = (...differing: readonly number[]) => {
  const family = differing.map((count) => wilcoxonTest({ pairs: 12, differing: count }));
  const few = withTooFewPairs(family);
  return family.map((test) => few.has(test));
};

test("a family has too few pairs exactly if its clearest outcome is not significant", () => {
  for (let pairs = 0; pairs <= 12; pairs++)
    for (const size of [1, 2, 3, 10])
      expect(tooFew(...Array(size).fill(pairs)), `${pairs} pairs, ${size} tests`).toEqual(
        Array(size).fill(size * clearest(pairs) >= 0.05),
      );
  expect(tooFew()).toEqual([]);
});

test("Holm's correction does not multiply the largest p of a family by the number of tests", () => {
  // 8 pairs: 0.0078 × 3; 6 pairs: the largest of the three, 0.03125 × 1.
  expect(tooFew(8, 8, 6)).toEqual([false, false, false]);
  expect(tooFew(3, 5)).toEqual([true, true]);
  expect(tooFew(8, 5, 3)).toEqual([false, true, true]);
  expect(tooFew(7, 3, 3, 8)).toEqual([false, true, true, false]);
});

test("the bootstrap has the exact test's limit, in a family of its own", () => {
  const tests = [bootstrapTest({ pairs: 400, differing: 5 }), wilcoxonTest({ differing: 6 })];
  expect([...withTooFewPairs(tests)]).toEqual(tests.slice(0, 1));
  expect(withTooFewPairs([bootstrapTest({ pairs: 400, differing: 6 })]).size).toBe(0);
});

test("one test needs six differing pairs, and a family more", () => {
  expect(pairsNeeded()).toBe(6);
  for (const size of [1, 2, 3, 55, 300]) {
    expect(size * clearest(pairsNeeded(size))).toBeLessThan(0.05);
    expect(size * clearest(pairsNeeded(size) - 1)).toBeGreaterThanOrEqual(0.05);
  }
});
