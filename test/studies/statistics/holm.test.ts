import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { holm, withHolm } from "../../../src/studies/statistics/holm.js";

interface Golden {
  readonly holm: readonly { readonly p: readonly number[]; readonly pHolm: readonly number[] }[];
}

const golden = JSON.parse(readFileSync(new URL("../../golden/compare/tests.json", import.meta.url), "utf8")) as Golden;

describe("corrected p-values match statsmodels", () => {
  it.each(golden.holm)("$p", ({ p, pHolm }) => {
    const found = holm(p);
    expect(found).toHaveLength(p.length);
    for (const [i, value] of pHolm.entries()) expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1e-14 * value);
  });
});

test("no tests give no corrected p-values", () => {
  expect(holm([])).toEqual([]);
  expect(withHolm([])).toEqual([]);
});

const probabilities = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 });

test("corrected p-values are between the raw ones and 1, in the same order, whatever order the tests come in", () => {
  fc.assert(
    fc.property(probabilities, (p) => {
      const found = holm(p);
      for (const [i, value] of found.entries()) {
        expect(value).toBeGreaterThanOrEqual(p[i]!);
        expect(value).toBeLessThanOrEqual(1);
        for (const [j, other] of found.entries()) if (p[i]! <= p[j]!) expect(value).toBeLessThanOrEqual(other);
      }
      expect(holm(p.toReversed()).toReversed()).toEqual(found);
    }),
  );
});

test("a family is one test, one metric and one task; tests over several tasks form their own families", () => {
  const entry = (p: number, family: { test?: string; metric?: string; kind?: string; task?: string } = {}) => ({
    test: "wilcoxon",
    metric: "f1",
    p,
    ...family,
  });
  const entries = [
    entry(0.01),
    entry(0.02, { task: "mrpc" }),
    entry(0.03, { metric: "accuracy" }),
    entry(0.04, { test: "bootstrap" }),
    entry(0.02),
    entry(0.03, { task: "null" }),
    entry(0.01, { task: "mrpc" }),
    entry(0.04, { kind: "entities" }),
  ];
  const found = withHolm(entries);
  expect(found.map(({ pHolm }) => pHolm)).toEqual([0.02, 0.02, 0.03, 0.04, 0.02, 0.03, 0.02, 0.04]);
  expect(found.map(({ pHolm: _, ...rest }) => rest)).toEqual(entries);
});
