import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  accuracy,
  entityScores,
  f1,
  labelScores,
  type Metric,
  macroF1,
  matthewsCorrelation,
  meanSquaredError,
  pearson,
  spearman,
  squad,
  subsetAccuracy,
  together,
  wordAccuracy,
} from "../../src/metrics/index.js";

const classId = fc.integer({ min: 0, max: 4 });
const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });
const labelSet = fc.array(fc.constantFrom(0, 1), { minLength: 3, maxLength: 3 });
const tags = fc.array(fc.constantFrom("O", "B-X", "I-X", "B-Y", "I-Y"), { minLength: 4, maxLength: 4 });
const answer = fc.array(fc.constantFrom("the", "Cat", "sat.", "on"), { maxLength: 4 }).map((words) => words.join(" "));

/** Metrics with a maker of rows: reference and prediction. */
const METRICS = {
  accuracy: over(accuracy, classId),
  f1: over(() => f1(1), classId),
  macroF1: over(macroF1, classId),
  matthewsCorrelation: over(matthewsCorrelation, classId),
  meanSquaredError: over(meanSquaredError, number),
  pearson: over(pearson, number),
  spearman: over(spearman, number),
  labelScores: over(labelScores, labelSet),
  subsetAccuracy: over(subsetAccuracy, labelSet),
  wordAccuracy: over(wordAccuracy, tags),
  entityScores: over(entityScores, tags),
  squad: over(squad, fc.array(answer, { maxLength: 3 }), answer),
};

interface Rows {
  readonly make: () => Metric<unknown>;
  readonly rows: fc.Arbitrary<[unknown, unknown][]>;
}

function over<R, P>(make: () => Metric<R, P>, references: fc.Arbitrary<R>, predictions?: fc.Arbitrary<P>): Rows {
  const row = fc.tuple(references, predictions ?? references);
  return { make: make as () => Metric<unknown>, rows: fc.array(row, { minLength: 2, maxLength: 30 }) };
}

function resultOf(metric: Metric<unknown>, rows: readonly [unknown, unknown][]) {
  for (const [reference, prediction] of rows) metric.add(reference, prediction);
  return metric.result();
}

describe.each(Object.entries(METRICS))("%s over a stream", (_, { make, rows }) => {
  it("gives the same, to the bit, however often it was asked on the way", () => {
    fc.assert(
      fc.property(rows, fc.nat(), (all, place) => {
        const cut = 1 + (place % (all.length - 1));
        const metric = make();
        expect(resultOf(metric, all.slice(0, cut))).toStrictEqual(resultOf(make(), all.slice(0, cut)));
        expect(resultOf(metric, all.slice(cut))).toStrictEqual(resultOf(make(), all));
      }),
    );
  });

  it("joins with others", () => {
    fc.assert(
      fc.property(rows, (all) => {
        const count = { rows: 0 };
        const counter: Metric<unknown> = { add: () => void count.rows++, result: () => count };
        expect(resultOf(together(make(), counter), all)).toStrictEqual({ ...resultOf(make(), all), rows: all.length });
      }),
    );
  });

  it("refuses to speak of no rows", () => {
    expect(() => make().result()).toThrow("at least one row");
  });
});

it("refuses to speak of rows without words", () => {
  const words = wordAccuracy();
  words.add([], []);
  expect(() => words.result()).toThrow("at least one row");
});

it("gives nothing where nothing is measured", () => {
  expect(together().result()).toEqual({});
});
