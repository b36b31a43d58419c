import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { uniforms } from "../../../src/base/seededGenerator.js";
import {
  differenceOf,
  type PairedBootstrap,
  resampled,
  resamplesFor,
} from "../../../src/studies/statistics/pairedBootstrap.js";
import { mean, sampleDeviation } from "../../../src/studies/statistics/summary.js";
import type { Metric, OverRows } from "../../../src/tasks/metrics/parts/metric.js";
import type { BootstrapOptions } from "../../../src/tasks/metrics/parts/resampling.js";
import { accuracy, meanOfSome, meanSquaredError, measured, pearson } from "../../tasks/metrics/rowMetrics.js";

interface Case {
  readonly name: string;
  readonly references: readonly number[];
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly paired: Readonly<Record<string, PairedBootstrap>>;
}

function pairedBootstrap<Measured>(
  metric: OverRows<Measured>,
  name: string,
  a: readonly Measured[],
  b: readonly Measured[],
  options: BootstrapOptions,
): PairedBootstrap {
  const sides = [a, b].map((measured) => ({ metric: metric as OverRows<unknown>, measured }));
  const [ofA, ofB] = resampled(name, sides, options);
  return differenceOf(name, ofA!, ofB!, options);
}

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../golden/compare/${file}`, import.meta.url), "utf8"));
const { settings } = read("draws.json") as { settings: Required<BootstrapOptions> };
const golden = read("bootstrap.json") as readonly Case[];

describe("the paired bootstrap matches numpy on the same resamples", () => {
  it.each(golden)("$name", ({ references, a, b, paired }) => {
    const of = <Measured>(metric: Metric<number, number, Measured>, name: string) =>
      pairedBootstrap(metric, name, measured(metric, references, a), measured(metric, references, b), settings);
    const found = new Map(
      Object.keys(paired).map((name) => [
        name,
        name === "accuracy" ? of(accuracy, name) : name === "pearson" ? of(pearson, name) : of(meanSquaredError, name),
      ]),
    );
    for (const [name, expected] of Object.entries(paired)) {
      const { difference, low, high, p } = found.get(name)!;
      expect(p).toBe(expected.p);
      expect(difference).toBeCloseTo(expected.difference, 12);
      expect(low).toBeCloseTo(expected.low, 12);
      expect(high).toBeCloseTo(expected.high, 12);
    }
  });
});

const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })), {
  minLength: 2,
  maxLength: 25,
});

test("swapping the sides negates the difference and its interval, and keeps p, which is in (0, 1]", () => {
  fc.assert(
    fc.property(rows, fc.nat(), (pairs, seed) => {
      const [a, b] = [pairs.map(([x]) => x / 10), pairs.map(([, y]) => y / 10)];
      const options = { resamples: 60, seed };
      const found = pairedBootstrap(meanSquaredError, "meanSquaredError", a, b, options);
      const swapped = pairedBootstrap(meanSquaredError, "meanSquaredError", b, a, options);
      expect(swapped.p).toBe(found.p);
      expect(swapped.difference).toBe(0 - found.difference);
      expect(swapped.low).toBeCloseTo(0 - found.high, 12);
      expect(swapped.high).toBeCloseTo(0 - found.low, 12);
      expect(found.p).toBeGreaterThan(0);
      expect(found.p).toBeLessThanOrEqual(1);
    }),
  );
});

test("equal rows on both sides give difference 0 and p = 1; a method better on every row gives the smallest possible p", () => {
  const wrong = Array.from({ length: 30 }, () => 0);
  const mixed = wrong.map((_, row) => (row % 3 === 0 ? 1 : 0));
  const of = (a: number[], b: number[]) => pairedBootstrap(accuracy, "accuracy", a, b, { resamples: 99, seed: 0 });
  expect(of(mixed, mixed)).toEqual({ difference: 0, low: 0, high: 0, p: 1, pStandardError: 0 });
  const all = wrong.map(() => 1);
  const pStandardError = Math.sqrt((0.01 * 0.99) / 100);
  expect(of(all, wrong)).toEqual({ difference: 1, low: 1, high: 1, p: 0.01, pStandardError });
});

test("the standard error of p is its spread over other seeds", () => {
  const draw = uniforms(4, 0);
  const scores = (share: number) => Array.from({ length: 80 }, () => (draw() < share ? 1 : 0));
  const [a, b] = [scores(0.8), scores(0.7)];
  const found = Array.from({ length: 200 }, (_, seed) =>
    pairedBootstrap(accuracy, "accuracy", a, b, { resamples: 100, seed }),
  );
  const spread = sampleDeviation(found.map(({ p }) => p))!;
  const stated = mean(found.map(({ pStandardError }) => pStandardError));
  // The deviation of 200 draws is off by a twentieth of itself, three times that at most.
  expect(Math.abs(stated / spread - 1)).toBeLessThan(0.15);
});

test("a family of tests draws 10 000 resamples, or 100 per test if that is more, so that p < 0.05 is always possible", () => {
  expect([1, 55, 100, 101, 300].map(resamplesFor)).toEqual([10_000, 10_000, 10_000, 10_100, 30_000]);
  for (const family of [1, 55, 1000]) expect(family / (1 + resamplesFor(family))).toBeLessThan(0.05);
});

test("methods that are resampled together get the same values as each alone", () => {
  const columns = [
    [1, 0, 1, 1],
    [0, 0, 1, 0],
    [1, 1, 1, 0],
  ] as const;
  const options = { resamples: 20, seed: 3 };
  const side = (rows: readonly number[]) => ({ metric: accuracy, measured: rows });
  const counts: number[] = [];
  const all = resampled("accuracy", columns.map(side), options, (done) => counts.push(done));
  expect(all).toEqual(columns.flatMap((rows) => resampled("accuracy", [side(rows)], options)));
  expect(counts).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});

test("resampled differences equal to the observed one up to rounding errors count as equally far", () => {
  // One row differs and one does not: half of the samples have it twice or not at all, as far on either side.
  const { p } = pairedBootstrap(meanSquaredError, "meanSquaredError", [0.01, 0.14], [0, 0.14], { seed: 0 });
  expect(p).toBeGreaterThan(0.45);
  expect(p).toBeLessThan(0.55);
});

test("equally good methods get p < 0.05 in one of twenty comparisons", () => {
  const draw = uniforms(3, 0);
  const scores = () => Array.from({ length: 120 }, () => (draw() < 0.8 ? 1 : 0));
  const comparisons = 400;
  let rejected = 0;
  for (let i = 0; i < comparisons; i++) {
    const { p } = pairedBootstrap(accuracy, "accuracy", scores(), scores(), { resamples: 199, seed: i });
    if (p <= 0.05) rejected++;
  }
  // Three standard errors of a share of 400 around 0.05.
  expect(rejected / comparisons).toBeGreaterThan(0.017);
  expect(rejected / comparisons).toBeLessThan(0.083);
});

test("rejects different numbers of rows, and undefined differences", () => {
  const options = { seed: 0 };
  expect(() => pairedBootstrap(accuracy, "accuracy", [1, 0], [1], options)).toThrow("got 2 and 1");
  expect(() => pairedBootstrap(accuracy, "accuracy", [1], [1], options)).toThrow("at least two");
  expect(() => pairedBootstrap(accuracy, "f1", [1, 0], [1, 1], options)).toThrow('"f1"');
  expect(() => pairedBootstrap(accuracy, "constructor", [1, 0], [1, 1], options)).toThrow("over all rows");
  const few = Array.from({ length: 60 }, (_, row) => (row === 0 ? 1 : null));
  expect(() => pairedBootstrap(meanOfSome, "some", few, few, options)).toThrow(/in \d+ of 1000 samples/);
});
