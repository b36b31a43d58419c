import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { studentDraws } from "../../../src/studies/statistics/draws.js";
import { judged, resampled } from "../../../src/studies/statistics/pairedBootstrap.js";
import { meanOverRuns, twoLevelDifferences } from "../../../src/studies/statistics/twoLevel.js";
import type { Metric, OverRows } from "../../../src/tasks/metrics/parts/metric.js";
import { percentiles } from "../../../src/tasks/metrics/parts/statistics.js";
import { accuracy, meanSquaredError, measured, pearson } from "../../tasks/metrics/rowMetrics.js";

interface Case {
  readonly name: string;
  readonly metric: string;
  readonly references: readonly number[];
  readonly a: readonly (readonly number[])[];
  readonly b: readonly (readonly number[])[];
  readonly expected: { readonly difference: number; readonly low: number; readonly high: number; readonly p: number };
  readonly within: { readonly low: number; readonly high: number };
}

const read = (file: string) =>
  JSON.parse(readFileSync(new URL(`../../golden/compare/${file}`, import.meta.url), "utf8"));
const { settings } = read("draws.json");
const { cases, student } = read("two-level.json") as {
  readonly cases: readonly Case[];
  readonly student: Readonly<Record<string, readonly (readonly [share: number, value: number])[]>>;
};

const METRICS = { accuracy, meanSquaredError, pearson } as unknown as Record<string, Metric<number, number>>;

describe("the bootstrap over seeds and rows matches numpy on the same draws", () => {
  it.each(cases)("$name", ({ metric: name, references, a, b, expected, within }) => {
    const metric = METRICS[name]!;
    const sign = name === "meanSquaredError" ? -1 : 1;
    const meanOf = (runs: Case["a"]) => {
      const sides = runs.map((values) => ({
        metric: metric as OverRows<unknown>,
        measured: measured(metric, references, values),
      }));
      const found = resampled(name, sides, settings);
      return meanOverRuns(
        found.map(({ whole, drawn }) => ({ whole: sign * whole, drawn: drawn.map((value) => sign * value) })),
      );
    };
    const found = twoLevelDifferences(name, meanOf(a), meanOf(b), settings);
    const { difference, low, high, p } = judged(found, { ...settings, confidence: 0.95 });
    expect(p).toBe(expected.p);
    expect(difference).toBeCloseTo(expected.difference, 12);
    expect(low).toBeCloseTo(expected.low, 10);
    expect(high).toBeCloseTo(expected.high, 10);
    const ends = percentiles(found.drawn, 0.9);
    expect(ends.low).toBeCloseTo(within.low, 10);
    expect(ends.high).toBeCloseTo(within.high, 10);
  });
});

const COUNT = 20_000;

test.each(Object.entries(student))(
  "draws of Student's distribution with %s degrees of freedom have its quantiles",
  (freedom, quantiles) => {
    const draws = studentDraws(COUNT, Number(freedom), 1);
    for (const [share, value] of quantiles) {
      const below = draws.filter((draw) => draw < value).length / COUNT;
      // four standard errors of a share
      expect(Math.abs(below - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / COUNT));
    }
  },
);

const runsOf = (values: readonly number[], drawn: readonly number[]) =>
  meanOverRuns(values.map((whole) => ({ whole, drawn: drawn.map((value) => value + whole) })));
const options = { resamples: 99, seed: 0 };
const rowsAlike = Array.from({ length: 99 }, () => 0);

test("where all seeds differ by the same and all rows tie, the interval is that difference, and p the smallest; without a difference p is 1", () => {
  const of = (a: readonly number[], b: readonly number[]) =>
    judged(twoLevelDifferences("accuracy", runsOf(a, rowsAlike), runsOf(b, rowsAlike), options), options);
  // 0.3 − 0.1 and 0.4 − 0.2 differ by a rounding error.
  const found = of([0.3, 0.4], [0.1, 0.2]);
  expect(found.p).toBe(0.01);
  for (const end of [found.low, found.difference, found.high]) expect(end).toBeCloseTo(0.2, 12);
  expect(of([0.3, 0.4], [0.3, 0.4])).toMatchObject({ p: 1, difference: 0, low: 0, high: 0 });
  // The seeds differ, though the rows of each tie.
  const spread = of([0.3, 0.5], [0.2, 0.3]);
  expect(spread.high - spread.low).toBeGreaterThan(0.5);
});
