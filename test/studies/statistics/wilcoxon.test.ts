import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { type WilcoxonResult, wilcoxon } from "../../../src/studies/statistics/wilcoxon.js";

interface Case extends Omit<WilcoxonResult, "distribution"> {
  readonly name: string;
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly distribution: "exact" | "asymptotic";
}

const golden = JSON.parse(
  readFileSync(new URL("../../golden/compare/wilcoxon.json", import.meta.url), "utf8"),
) as Case[];

describe("Wilcoxon's test matches scipy and the enumeration of all signs", () => {
  it.each(golden)("$name", ({ a, b, statistic, p, differing, distribution }) => {
    const found = wilcoxon(a, b);
    expect(found.statistic).toBe(statistic);
    if (distribution === "exact") expect(found.p).toBe(p);
    // Of the p-value itself, which may be tiny: an absolute bound would let any tail pass.
    expect(Math.abs(found.p - p)).toBeLessThanOrEqual(1e-12 * p);
    expect(found).toMatchObject({
      differing,
      distribution: differing === 0 || distribution === "exact" ? "exact" : "normal",
    });
  });
});

/** Every sign for every mid-rank of whole differences: the distribution by its definition. */
function byEnumeration(differences: readonly number[]): number {
  const sizes = differences.filter((difference) => difference !== 0).map(Math.abs);
  const ranks = sizes.map(
    (size) => (sizes.filter((other) => other < size).length + sizes.filter((other) => other <= size).length + 1) / 2,
  );
  const smaller = (isPositive: (pair: number) => boolean) => {
    const positive = ranks.reduce((sum, rank, pair) => sum + (isPositive(pair) ? rank : 0), 0);
    return Math.min(positive, (ranks.length * (ranks.length + 1)) / 2 - positive);
  };
  const signs = differences.filter((difference) => difference !== 0).map((difference) => difference > 0);
  const observed = smaller((pair) => signs[pair]!);
  const all = Array.from({ length: 2 ** ranks.length }, (_, bits) => smaller((pair) => ((bits >> pair) & 1) === 1));
  return all.filter((statistic) => statistic <= observed).length / all.length;
}

const fromZero = (differences: readonly number[]) =>
  wilcoxon(
    differences,
    differences.map(() => 0),
  );

test("the exact p is the share of sign assignments with a statistic as small, also with ties and zeros", () => {
  for (const signs of [0, 1, 2, 5, 37, 200, 511]) {
    const differences = Array.from({ length: 9 }, (_, i) => ((signs >> i) & 1 ? -1 : 1) * (i + 1));
    expect(fromZero(differences).p).toBe(byEnumeration(differences));
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 10 }), (differences) => {
      expect(fromZero(differences).p).toBe(byEnumeration(differences));
    }),
  );
});

test("four equal differences and two zeros give p = 1/8", () => {
  expect(fromZero([1, 1, 1, 1, 0, 0])).toEqual({ statistic: 0, p: 0.125, differing: 4, distribution: "exact" });
});

const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 })), { maxLength: 60 });
const scores = (values: readonly (readonly [number, number])[], side: 0 | 1) => values.map((pair) => pair[side] / 40);

test("p is in (0, 1] and does not change if sides are swapped or pairs reordered", () => {
  fc.assert(
    fc.property(
      pairs.chain((drawn) => fc.tuple(fc.constant(drawn), fc.shuffledSubarray(drawn, { minLength: drawn.length }))),
      ([drawn, shuffled]) => {
        const found = wilcoxon(scores(drawn, 0), scores(drawn, 1));
        expect(wilcoxon(scores(drawn, 1), scores(drawn, 0))).toEqual(found);
        expect(wilcoxon(scores(shuffled, 0), scores(shuffled, 1))).toEqual(found);
        expect(found.p).toBeGreaterThan(0);
        expect(found.p).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test("rejects samples of different length and values that are not finite", () => {
  expect(() => wilcoxon([1, 2], [1])).toThrow("a value on both sides of every pair, got 2 and 1");
  expect(() => wilcoxon([1, Number.NaN], [1, 2])).toThrow("pair 2 is NaN and 2");
  expect(() => wilcoxon([Number.POSITIVE_INFINITY], [Number.POSITIVE_INFINITY])).toThrow("finite");
});
