import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { BidoraError } from "../../src/common/errors.js";
import { uniforms } from "../../src/data/random.js";
import { bootstrapIntervals, type Interval } from "../../src/metrics/bootstrap.js";
import type { Metric } from "../../src/metrics/metric.js";
import { type BootstrapOptions, drawnRows } from "../../src/metrics/resamples.js";
import { accuracy, meanOfSome, meanSquaredError, measured, pearson } from "./rowMetrics.js";

interface Case {
  readonly name: string;
  readonly references: readonly number[];
  readonly a: readonly number[];
  readonly intervals: Readonly<Record<string, Interval>>;
}

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../golden/compare/${file}`, import.meta.url), "utf8"));
const { settings, draws } = read("draws.json") as { settings: Required<BootstrapOptions>; draws: number[][] };
const golden = read("bootstrap.json") as readonly Case[];

test("the rows drawn are those that the golden values are of", () => {
  expect(Array.from(drawnRows(24, settings), (drawn) => [...drawn])).toEqual(draws);
});

describe("as numpy gives it of the same draws", () => {
  it.each(golden)("$name", ({ references, a, intervals }) => {
    const of = <Measured>(metric: Metric<number, number, Measured>) =>
      bootstrapIntervals(metric, measured(metric, references, a), settings);
    const found = { ...of(accuracy), ...of(meanSquaredError), ...of(pearson) };
    for (const [name, { low, high }] of Object.entries(intervals)) {
      expect(found[name]!.low).toBeCloseTo(low, 12);
      expect(found[name]!.high).toBeCloseTo(high, 12);
    }
  });
});

test("a 90 % interval holds the true value in about nine of ten samples", () => {
  const draw = uniforms(1, 0);
  const [samples, truth] = [400, 0.7];
  let covered = 0;
  for (let sample = 0; sample < samples; sample++) {
    const rows = Array.from({ length: 150 }, () => (draw() < truth ? 1 : 0));
    const { low, high } = bootstrapIntervals(accuracy, rows, { resamples: 200, confidence: 0.9, seed: sample })
      .accuracy!;
    if (low <= truth && truth <= high) covered++;
  }
  // Three standard errors of a share of 400 around 0.9, on the low side a little more: the percentile interval is a trifle short.
  expect(covered / samples).toBeGreaterThan(0.84);
  expect(covered / samples).toBeLessThan(0.945);
});

test("the seed decides, and an interval of more confidence holds that of less", () => {
  const rows = Array.from({ length: 40 }, (_, row) => (row * row) % 7);
  const of = (seed: number, confidence: number) =>
    bootstrapIntervals(meanSquaredError, rows, { confidence, seed }).meanSquaredError!;
  expect(of(1, 0.95)).toEqual(of(1, 0.95));
  expect(of(1, 0.95)).not.toEqual(of(2, 0.95));
  expect(of(1, 0.99).low).toBeLessThan(of(1, 0.5).low);
  expect(of(1, 0.99).high).toBeGreaterThan(of(1, 0.5).high);
  expect(bootstrapIntervals(meanSquaredError, rows, { seed: 1 }).meanSquaredError).toEqual(of(1, 0.95));
});

test("samples without a value are left out where they are few; where they are many there is no interval", () => {
  const some = (bearing: number) => Array.from({ length: 60 }, (_, row) => (row < bearing ? row : null));
  // Of 4 bearing rows in 60 about 1.6 % of the samples have none, of one 36 %.
  const { low, high } = bootstrapIntervals(meanOfSome, some(4), { seed: 0 }).some!;
  expect([low, high]).toEqual([0, 3]);
  expect(bootstrapIntervals(meanOfSome, some(1), { seed: 0 })).toEqual({ some: null });
});

test("an interval is of the finite values alone, where few are not", () => {
  const bearing = Array.from({ length: 60 }, (_, row) => (row < 4 ? 1 : 0));
  const metric = {
    result(rows: readonly number[]) {
      const sum = rows.reduce((a, b) => a + b);
      return { inverse: 1 / sum, ratio: sum / sum };
    },
  };
  const { inverse, ratio } = bootstrapIntervals(metric, bearing, { confidence: 0.999, seed: 0 });
  expect(inverse!.high).toBe(1);
  expect(ratio).toEqual({ low: 1, high: 1 });
});

test("NaN and infinities count as no value, for the metric's other values they have no say", () => {
  const metric = {
    result: (rows: readonly number[]) => ({
      sum: rows.reduce((a, b) => a + b),
      odd: rows.includes(0) ? Number.NaN : 1,
      endless: Number.POSITIVE_INFINITY,
    }),
  };
  expect(bootstrapIntervals(metric, [0, 1, 2, 3], { seed: 0 })).toEqual({
    sum: { low: expect.any(Number), high: expect.any(Number) },
    odd: null,
    endless: null,
  });
});

test("what has no value over all rows has no interval, though samples of them may have one", () => {
  const metric = {
    result: (rows: readonly number[], all?: readonly number[]) => ({ x: rows === all ? Number.NaN : 1 }),
  };
  expect(bootstrapIntervals(metric, [1, 2, 3], { seed: 0 })).toEqual({ x: null });
});

test("of one row there is no interval, of none the metric's own error, and no other error is taken for a missing value", () => {
  expect(bootstrapIntervals(accuracy, [1], { seed: 0 })).toEqual({ accuracy: null });
  expect(() => bootstrapIntervals(accuracy, [], { seed: 0 })).toThrow(BidoraError);
  const broken = {
    result(rows: readonly number[], corpus?: readonly number[]) {
      if (rows !== corpus) throw new TypeError("broken");
      return { x: 1 };
    },
  };
  expect(() => bootstrapIntervals(broken, [1, 2], { seed: 0 })).toThrow("broken");
});

test("a metric sees all rows beside those drawn", () => {
  const metric = { result: (_: readonly number[], corpus?: readonly number[]) => ({ size: corpus?.[2] ?? -1 }) };
  expect(bootstrapIntervals(metric, [5, 6, 7], { seed: 0 })).toEqual({ size: { low: 7, high: 7 } });
});

test.each([
  [{ resamples: 0, seed: 0 }, "a whole number of resamples from 1, 0 came"],
  [{ resamples: 2.5, seed: 0 }, "2.5 came"],
  [{ confidence: 95, seed: 0 }, "a confidence between 0 and 1, 95 came"],
  [{ confidence: Number.NaN, seed: 0 }, "NaN came"],
  [{ seed: -1 }, "seed"],
])("refuses %j", (options, why) => {
  expect(() => bootstrapIntervals(accuracy, [1, 0], options)).toThrow(why);
});
