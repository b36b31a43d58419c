import { expect, test } from "vitest";
import { tooFewToTell } from "../../src/compare/tooFewToTell.js";
import { wilcoxon } from "../../src/compare/wilcoxon.js";

/** The p-value of n pairs, a ever further above b. */
const clearest = (n: number) => {
  const a = Array.from({ length: n }, (_, i) => i + 1);
  return wilcoxon(
    a,
    a.map(() => 0),
  ).p;
};

test("the sentence comes exactly where the clearest outcome is not significant", () => {
  for (let pairs = 0; pairs <= 12; pairs++) {
    expect(tooFewToTell(pairs) === undefined, `${pairs} pairs`).toBe(clearest(pairs) < 0.05);
    for (const family of [2, 3, 10])
      expect(tooFewToTell(pairs, family) === undefined, `${pairs} pairs`).toBe(family * clearest(pairs) < 0.05);
  }
});

test("it says what p there can be, and how many pairs it takes", () => {
  expect(tooFewToTell(3)).toBe(
    "3 pairs of runs are too few to tell: whatever comes out, the smallest p that an exact test can give is 0.25; at least 6 pairs are needed for p < 0.05.",
  );
  expect(tooFewToTell(1)).toContain("1 pair of runs is too few to tell");
  expect(tooFewToTell(0)).toContain("can give is 1;");
  expect(tooFewToTell(6, 3)).toContain("is 0.0938, corrected for 3 tests; at least 7 pairs");
});

test("it holds where ties let the normal distribution promise more than an exact test could", () => {
  expect(wilcoxon([1, 1, 1, 1], [0, 0, 0, 0])).toMatchObject({ distribution: "normal" });
  expect(wilcoxon([1, 1, 1, 1], [0, 0, 0, 0]).p).toBeLessThan(0.05);
  expect(tooFewToTell(4)).toContain("is 0.125");
});
