import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { BidoraError } from "../../../src/base/errors.js";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { meanSquaredError as summedError } from "../../../src/tasks/metrics/numbers.js";
import { bca, confidenceIntervals, wilson } from "../../../src/tasks/metrics/parts/confidenceIntervals.js";
import { HIGHER_IS_BETTER, type Metric, type MetricValue } from "../../../src/tasks/metrics/parts/metric.js";
import { rowChanges } from "../../../src/tasks/metrics/parts/rowChanges.js";
import type { Interval } from "../../../src/tasks/metrics/parts/statistics.js";
import { accuracy, meanOfSome, meanSquaredError, measured, pearson } from "./rowMetrics.js";

interface Golden {
  readonly draws: readonly number[][];
  readonly cases: readonly {
    readonly metric: "accuracy" | "meanSquaredError" | "pearson";
    readonly references: readonly number[];
    readonly predictions: readonly number[];
    readonly intervals: Readonly<Record<string, Interval>>;
  }[];
  readonly shares: readonly (Interval & { right: number; rows: number; confidence: number })[];
  readonly pairs: readonly (Interval & { table: [[number, number], [number, number]]; confidence: number })[];
}
const golden: Golden = JSON.parse(
  readFileSync(new URL("../../golden/metrics/intervals.json", import.meta.url), "utf8"),
);

const METRICS = { accuracy, meanSquaredError, pearson } as Readonly<Record<string, Metric<number, number>>>;

/** A metric of given values over rows that are numbers. */
const metricOf = (
  result: (rows: readonly number[], corpus?: readonly number[]) => Readonly<Record<string, number>>,
  value: MetricValue = HIGHER_IS_BETTER,
) => ({ values: Object.fromEntries(Object.keys(result([1], [1])).map((name) => [name, value])), result });

const sum = (rows: readonly number[]) => rows.reduce((a, b) => a + b, 0);
const spread = Array.from({ length: 40 }, (_, row) => (row * row) % 7);

describe("BCa intervals match scipy on the same resamples", () => {
  it.each(golden.cases)("$metric", ({ metric: name, references, predictions, intervals }) => {
    const metric = METRICS[name]!;
    const rows = measured(metric, references, predictions);
    const over = (places: readonly number[]) => metric.result(places.map((place) => rows[place]))[name]!;
    const all = rows.map((_, row) => row);
    const resampled = {
      whole: over(all),
      drawn: golden.draws.map(over),
      leftOut: all.map((left) => over(all.filter((row) => row !== left))),
    };
    for (const [confidence, { low, high }] of Object.entries(intervals)) {
      const found = bca(resampled, Number(confidence));
      expect(found!.low).toBeCloseTo(low, 12);
      expect(found!.high).toBeCloseTo(high, 12);
    }
  });
});

test.each(golden.pairs)(
  "Newcombe's interval of the difference of two shares of the same rows, $table at $confidence, matches the golden script",
  ({ table: [[both, fixed], [broken, neither]], confidence, ...ends }) => {
    const rows = (counts: readonly [number, boolean][]) => counts.flatMap(([n, is]) => Array<boolean>(n).fill(is));
    const before = rows([
      [both, true],
      [fixed, false],
      [broken, true],
      [neither, false],
    ]);
    const after = rows([
      [both, true],
      [fixed, true],
      [broken, false],
      [neither, false],
    ]);
    const { low, high, ...counts } = rowChanges(before, after, confidence);
    expect(counts).toEqual({ fixed, broken });
    expect(low).toBeCloseTo(ends.low, 12);
    expect(high).toBeCloseTo(ends.high, 12);
  },
);

test.each(golden.shares)(
  "Wilson's interval of $right of $rows at $confidence matches scipy",
  ({ right, rows, confidence, ...ends }) => {
    const { low, high } = wilson(right / rows, rows, confidence);
    expect(low).toBeCloseTo(ends.low, 12);
    expect(high).toBeCloseTo(ends.high, 12);
  },
);

test("Wilson's interval of all rows ends at exactly 1, of none at exactly 0", () => {
  for (let rows = 1; rows < 300; rows++) {
    expect(wilson(1, rows, 0.95).high).toBe(1);
    expect(wilson(0, rows, 0.95).low).toBe(0);
  }
});

describe("95 % intervals cover the true value about 95 % of the time", () => {
  /** In how many of `samples` samples of rows, of those that have an interval. */
  function coverage(samples: number, truth: number, intervalOf: (draw: () => number, seed: number) => Interval | null) {
    const draw = uniforms(7, 0);
    const found = Array.from({ length: samples }, (_, seed) => intervalOf(draw, seed)).filter((one) => one !== null);
    return found.filter(({ low, high }) => low <= truth && truth <= high).length / found.length;
  }

  // Three standard errors of a share of 1000 and of 200 are 0.021 and 0.046.
  it.each([
    [20, 0.95],
    [20, 0.5],
    [30, 0.98],
    [100, 0.9],
  ])("for the accuracy of %i rows, of which a share of %d is correct", (rows, truth) => {
    const covered = coverage(1000, truth, (draw, seed) => {
      const right = Array.from({ length: rows }, () => (draw() < truth ? 1 : 0));
      return confidenceIntervals(accuracy, right, { seed }).intervals.accuracy!;
    });
    expect(covered).toBeGreaterThan(0.9);
    expect(covered).toBeLessThan(0.99);
  });

  it.each([[30], [100]])("for a skewed mean of %i rows", (rows) => {
    const covered = coverage(200, 1 / 3, (draw, seed) => {
      const squares = Array.from({ length: rows }, () => draw() ** 2);
      return confidenceIntervals(meanSquaredError, squares, { resamples: 400, seed }).intervals.meanSquaredError!;
    });
    expect(covered).toBeGreaterThan(0.9);
    expect(covered).toBeLessThan(0.99);
  });

  it("for a ratio close to 1, if there is an interval", () => {
    // The mean of 1, or of less in a row of 25.
    const mean = metricOf((rows) => ({ mean: sum(rows) / rows.length }));
    const covered = coverage(200, 1 - 0.04 / 2, (draw, seed) => {
      const rows = Array.from({ length: 100 }, () => (draw() < 0.04 ? draw() : 1));
      return confidenceIntervals(mean, rows, { resamples: 400, seed }).intervals.mean!;
    });
    expect(covered).toBeGreaterThan(0.9);
  });
});

test("the interval of an accuracy of 1 has a width, and names its method", () => {
  const all = Array.from({ length: 20 }, () => 1);
  const { intervals, notes } = confidenceIntervals(accuracy, all, { seed: 0 });
  expect(intervals).toEqual({ accuracy: { low: expect.closeTo(0.8389, 4), high: 1, method: "wilson" } });
  expect(notes).toEqual([]);
  expect(confidenceIntervals(accuracy, [0], { seed: 0 }).intervals.accuracy).toMatchObject({ low: 0 });
});

test("fewer than 30 rows have intervals for shares only, and a note", () => {
  const both = metricOf((rows) => ({ mean: sum(rows) / rows.length, total: sum(rows) }));
  const few = confidenceIntervals(both, spread.slice(0, 29), { seed: 0 });
  expect(few.intervals).toEqual({ mean: null, total: null });
  expect(few.notes).toEqual([
    "No interval for mean, total: 29 rows are too few for the bootstrap, which takes 30 or more.",
  ]);
  const enough = confidenceIntervals(both, spread.slice(0, 30), { seed: 0 });
  expect(enough.notes).toEqual([]);
  expect(enough.intervals.mean).toMatchObject({ method: "bca" });
});

test("a value that differs in too few rows has no interval", () => {
  const mean = metricOf((rows) => ({ mean: sum(rows) / rows.length }));
  const wrong = (count: number) => Array.from({ length: 60 }, (_, row) => (row < count ? 0.5 : 1));
  for (const count of [0, 1, 3, 57, 60]) {
    const { intervals, notes } = confidenceIntervals(mean, wrong(count), { seed: 0 });
    expect(intervals).toEqual({ mean: null });
    expect(notes).toEqual([
      "No interval for mean: too few rows differ in it, so many samples of the rows share its highest or lowest value.",
    ]);
  }
  expect(confidenceIntervals(mean, wrong(6), { seed: 0 }).intervals.mean).toMatchObject({ method: "bca" });
});

test("values that differ by rounding errors count as equal", () => {
  for (const differ of [0, 1, 39, 40]) {
    const squares = Array.from({ length: 40 }, (_, row) => (row < differ ? 0.5 : 0.09));
    const { intervals, notes } = confidenceIntervals(summedError(), squares, { seed: 0 });
    expect(intervals).toEqual({ meanSquaredError: null });
    expect(notes).toEqual([expect.stringContaining("too few rows differ in it")]);
  }
});

test("resamples equal to the value up to rounding errors count half", () => {
  const leftOut = [1, 2, 4];
  const of = (tie: number) => bca({ whole: 0.3, drawn: [0.1, tie, tie, 0.6], leftOut }, 0.9);
  expect(of(0.1 + 0.2)!.low).toBeCloseTo(of(0.3)!.low, 12);
  expect(of(0.1 + 0.2)!.high).toBeCloseTo(of(0.3)!.high, 12);
});

test("the number of resamples follows from the confidence level, and a level that needs too many has a note", () => {
  const drawnFor = (confidence: number, resamples?: number) => {
    let drawn = 0;
    const mean = metricOf((rows, all) => {
      if (rows !== all && rows.length === spread.length) drawn++;
      return { mean: sum(rows) / rows.length };
    });
    const found = confidenceIntervals(mean, spread, { confidence, seed: 0, ...(resamples && { resamples }) });
    return { drawn, ...found };
  };
  expect(drawnFor(0.95).drawn).toBe(2000);
  expect(drawnFor(0.99).drawn).toBe(2000);
  expect(drawnFor(0.999)).toMatchObject({ drawn: 20_000, notes: [], intervals: { mean: { method: "bca" } } });
  expect(drawnFor(0.99999)).toEqual({
    drawn: 0,
    intervals: { mean: null },
    notes: ["No interval for mean: 20000 samples of the rows are too few for a confidence of 0.99999."],
  });
  expect(drawnFor(0.99, 100).notes).toEqual([
    "No interval for mean: 100 samples of the rows are too few for a confidence of 0.99.",
  ]);
});

test("a value beyond all resamples has no interval, and equal jackknife values have no skewness", () => {
  const drawn = [1, 2, 3, 4];
  expect(bca({ whole: 5, drawn, leftOut: [1, 2, 4] }, 0.9)).toBe(undefined);
  expect(bca({ whole: 0, drawn, leftOut: [1, 2, 4] }, 0.9)).toBe(undefined);
  expect(bca({ whole: 2.5, drawn, leftOut: [2, 2, 2] }, 0.5)).toEqual({
    low: expect.closeTo(1.75, 12),
    high: expect.closeTo(3.25, 12),
  });
});

test("the seed determines the interval, and a higher confidence level contains a lower one", () => {
  const of = (seed: number, confidence: number) =>
    confidenceIntervals(meanSquaredError, spread, { confidence, seed }).intervals.meanSquaredError!;
  expect(of(1, 0.95)).toEqual(of(1, 0.95));
  expect(of(1, 0.95)).not.toEqual(of(2, 0.95));
  expect(of(1, 0.99).low).toBeLessThan(of(1, 0.5).low);
  expect(of(1, 0.99).high).toBeGreaterThan(of(1, 0.5).high);
  expect(confidenceIntervals(meanSquaredError, spread, { seed: 1 }).intervals.meanSquaredError).toEqual(of(1, 0.95));
});

test("few undefined resamples are left out; with many there is no interval", () => {
  const some = (bearing: number) => Array.from({ length: 60 }, (_, row) => (row < bearing ? row : null));
  // Of 4 bearing rows in 60 about 1.6 % of the samples have none, of one 36 %.
  expect(confidenceIntervals(meanOfSome, some(4), { seed: 0, confidence: 0.8 }).intervals.some).toMatchObject({
    method: "bca",
  });
  expect(confidenceIntervals(meanOfSome, some(1), { seed: 0 })).toEqual({
    intervals: { some: null },
    notes: ["No interval for some: it is undefined in too many samples of the rows."],
  });
});

test("few non-finite resamples are left out, and NaN and infinities do not affect other values", () => {
  const metric = metricOf((rows) => ({
    sum: sum(rows),
    odd: rows.includes(0) ? Number.NaN : 1,
    endless: Number.POSITIVE_INFINITY,
    rare: rows[0] === 3 && rows[1] === 3 ? Number.POSITIVE_INFINITY : sum(rows) + 1,
  }));
  const { intervals, notes } = confidenceIntervals(metric, spread, { seed: 0 });
  const finite = { low: expect.any(Number), high: expect.any(Number), method: "bca" };
  expect(intervals).toEqual({ sum: finite, odd: null, endless: null, rare: finite });
  expect(intervals.rare!.high).toBeLessThan(sum(spread) * 2);
  expect(notes).toEqual(["No interval for odd, endless: it is not a finite number."]);
  expect(JSON.stringify(intervals)).not.toMatch(/null,"high|NaN|Infinity/);
});

test("a value undefined over all rows has no interval, even if resamples have one", () => {
  const metric = metricOf((rows, all) => ({ x: rows === all ? Number.NaN : sum(rows) }));
  expect(confidenceIntervals(metric, spread, { seed: 0 }).intervals).toEqual({ x: null });
});

test("no rows raise the metric's error, and other errors are not taken for undefined values", () => {
  expect(() => confidenceIntervals(accuracy, [], { seed: 0 })).toThrow(BidoraError);
  const broken = metricOf((rows, corpus) => {
    if (rows !== corpus && rows.length > 1) throw new TypeError("broken");
    return { x: 1 };
  });
  expect(() => confidenceIntervals(broken, spread, { seed: 0 })).toThrow("broken");
});

test("a metric gets all rows as the corpus of a resample", () => {
  const metric = metricOf((rows, corpus) => ({ size: sum(rows) / sum(corpus ?? []) }));
  const { low, high } = confidenceIntervals(metric, spread, { seed: 0 }).intervals.size!;
  expect(low).toBeLessThan(1);
  expect(high).toBeGreaterThan(1);
});

test.each([
  [{ resamples: 0, seed: 0 }, "at least 1 resample, as a whole number; got 0"],
  [{ resamples: 2.5, seed: 0 }, "got 2.5"],
  [{ confidence: 95, seed: 0 }, "a confidence between 0 and 1, got 95"],
  [{ confidence: Number.NaN, seed: 0 }, "got NaN"],
  [{ seed: -1 }, "seed"],
])("rejects %j", (options, why) => {
  expect(() => confidenceIntervals(accuracy, [1, 0], options)).toThrow(why);
});
