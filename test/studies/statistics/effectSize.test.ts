import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { PairedEffect } from "../../../src/base/records/index.js";
import { mean, sampleDeviation } from "../../../src/studies/statistics/summary.js";
import { pairedEffect } from "../../../src/studies/statistics/wilcoxon.js";

interface Case extends PairedEffect {
  readonly name: string;
  readonly a: readonly number[];
  readonly b: readonly number[];
}

const golden = JSON.parse(readFileSync(new URL("../../golden/compare/tests.json", import.meta.url), "utf8")) as {
  readonly effects: readonly Case[];
};

describe("effect sizes match pingouin and numpy", () => {
  it.each(golden.effects)("$name", ({ name: _, a, b, ...expected }) => {
    const found = pairedEffect(a, b)!;
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    for (const key of Object.keys(expected) as (keyof PairedEffect)[])
      expect(Math.abs(found[key]! - expected[key]!), key).toBeLessThanOrEqual(1e-12 * Math.abs(expected[key]!));
  });
});

test("undefined values are null, never NaN or infinite", () => {
  expect(pairedEffect([], [])).toBeUndefined();
  expect(pairedEffect([0.75], [0.5])).toEqual({
    meanDifference: 0.25,
    standardError: null,
    cohensDz: null,
    rankBiserial: 1,
  });
  expect(pairedEffect([0.5, 0.25], [0.5, 0.25])).toEqual({
    meanDifference: 0,
    standardError: 0,
    cohensDz: null,
    rankBiserial: 0,
  });
});

test("differences equal up to rounding errors have no deviation", () => {
  expect(pairedEffect([0.3, 0.2, 0.9], [0.2, 0.1, 0.8])).toMatchObject({
    meanDifference: 0.1,
    standardError: 0,
    cohensDz: null,
    rankBiserial: 1,
  });
});

const score = fc.integer({ min: 0, max: 1000 }).map((thousandths) => thousandths / 1000);

test("differences that cancel have no mean, not what rounding leaves of them", () => {
  expect(pairedEffect([0.35, 0.525, 0.475], [0.45, 0.45, 0.45])).toMatchObject({ meanDifference: 0, cohensDz: 0 });
});

test("swapping the sides flips the signs; the order of pairs does not matter", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(score, score), { minLength: 1, maxLength: 30 }), (pairs) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const found = pairedEffect(a, b)!;
      const swapped = pairedEffect(b, a)!;
      expect(swapped.meanDifference).toBe(0 - found.meanDifference);
      expect(swapped.rankBiserial).toBe(0 - found.rankBiserial);
      expect(swapped.standardError).toBe(found.standardError);
      expect(pairedEffect(a.toReversed(), b.toReversed())).toEqual(found);
    }),
  );
});

test("the mean does not depend on the values' order, and the deviation is a sample's", () => {
  const values = [0.1, 0.7, 0.3, 1e-17, 0.9, 1 / 3, 1e8];
  expect(mean(values)).toBe(mean(values.toReversed()));
  expect(sampleDeviation(values)).toBe(sampleDeviation(values.toReversed()));
  expect(sampleDeviation([1, 3])).toBe(Math.SQRT2);
  expect(sampleDeviation([0.1, 0.1, 0.1])).toBe(0);
  expect(sampleDeviation([1])).toBeNull();
});
