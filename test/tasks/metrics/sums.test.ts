import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  accuracy,
  balancedAccuracy,
  chrf,
  chrfPlusPlus,
  combineMetrics,
  entityScores,
  f1,
  labelScores,
  type Metric,
  macroF1,
  mapPrediction,
  matthewsCorrelation,
  meanSquaredError,
  pearson,
  retrieval,
  squad,
  subsetAccuracy,
  tokenPrediction,
  wordAccuracy,
} from "../../../src/tasks/metrics/index.js";
import { partWith } from "../../../src/tasks/metrics/parts/combineMetrics.js";
import { resultOfSample } from "../../../src/tasks/metrics/parts/resampling.js";

const id = fc.integer({ min: 0, max: 3 });
const tags = fc.array(fc.constantFrom("O", "B-a", "I-a", "B-b", "I-b"), { minLength: 4, maxLength: 4 });
const labels = fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 3, maxLength: 3 });
const answer = fc.constantFrom("one", "one two", "", "three");
const predicted = fc.record({
  loss: fc.double({ min: 0, max: 9, noNaN: true }),
  tokens: fc.integer({ min: 1, max: 9 }),
});

/** A metric with what its rows are made of. */
const of = <Reference, Prediction>(
  metric: Metric<Reference, Prediction>,
  reference: fc.Arbitrary<Reference>,
  prediction: fc.Arbitrary<Prediction>,
) => fc.array(fc.tuple(reference, prediction), { minLength: 1, maxLength: 12 }).map((rows) => ({ metric, rows }));

const ranks = fc
  .uniqueArray(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 5 })
  .map((found) => found.sort((a, b) => a - b));

const METRICS = {
  accuracy: of(accuracy(), id, id),
  balancedAccuracy: of(balancedAccuracy(), id, id),
  f1: of(f1(1), id, id),
  macroF1: of(macroF1(), id, id),
  matthewsCorrelation: of(matthewsCorrelation(), id, id),
  meanSquaredError: of(meanSquaredError(), id, id),
  entityScores: of(entityScores(), tags, tags),
  wordAccuracy: of(wordAccuracy(), tags, tags),
  labelScores: of(labelScores(), labels, labels),
  subsetAccuracy: of(subsetAccuracy(), labels, labels),
  squad: of(squad(), fc.array(answer, { maxLength: 2 }), answer),
  chrf: of(chrf(), fc.array(answer, { minLength: 1, maxLength: 2 }), answer),
  chrfPlusPlus: of(chrfPlusPlus(), fc.array(answer, { minLength: 1, maxLength: 2 }), answer),
  retrieval: of(retrieval(), fc.integer({ min: 5, max: 9 }), ranks),
  tokenPrediction: of(
    tokenPrediction(),
    fc.constant(undefined),
    predicted.map((one) => ({ ...one, correct: one.tokens - 1 })),
  ),
  several: of(combineMetrics<number, number>(macroF1(), accuracy(), matthewsCorrelation()), id, id),
  read: of(
    mapPrediction(combineMetrics<number, number>(f1(1), accuracy()), ({ label }: { label: number }) => label),
    id,
    id.map((label) => ({ label })),
  ),
};

describe("a sample scored by sums equals the metric's result for its rows", () => {
  it.each(Object.entries(METRICS))("%s", (_, cases) => {
    fc.assert(
      fc.property(
        cases as fc.Arbitrary<{ metric: Metric<unknown>; rows: [unknown, unknown][] }>,
        fc.nat(),
        (one, seed) => {
          const { metric, rows } = one;
          const measured = rows.map(([reference, prediction], i) => metric.measure(reference, prediction, i + 1));
          const places = Int32Array.from(measured, (_, i) => (seed + i * i) % measured.length);
          expect(metric.sums).toBeDefined();
          const found = resultOfSample(metric, measured, places);
          const expected = metric.result(Array.from(places, (place) => measured[place]));
          expect(Object.keys(found)).toEqual(Object.keys(expected));
          for (const [name, value] of Object.entries(expected)) expect(found[name], name).toBeCloseTo(value, 12);
        },
      ),
    );
  });
});

test("a sample does not affect the next one", () => {
  const [metric, rows] = [accuracy(), [1, 0]];
  expect(resultOfSample(metric, rows, Int32Array.of(0, 0))).toEqual({ accuracy: 1 });
  expect(resultOfSample(metric, rows, Int32Array.of(1, 1))).toEqual({ accuracy: 0 });
});

test("samples can have rows that were added to the corpus", () => {
  const metric = accuracy();
  const rows = [1, 0];
  expect(resultOfSample(metric, rows, Int32Array.of(0, 1))).toEqual({ accuracy: 0.5 });
  rows.push(1);
  expect(resultOfSample(metric, rows, Int32Array.of(0, 2, 2))).toEqual({ accuracy: 1 });
});

test("a joint metric has no sums if one of its parts has none", () => {
  expect(combineMetrics<number, number>(accuracy(), pearson()).sums).toBeUndefined();
  expect(combineMetrics<number, number>(accuracy(), macroF1()).sums).toBeDefined();
});

test("the part for a value is the last metric that has it, with its measured rows", () => {
  const metric = combineMetrics<number, number>(pearson(), accuracy());
  const rows = [
    [1, 1],
    [2, 3],
    [4, 4],
  ].map(([reference, prediction], i) => metric.measure(reference!, prediction!, i + 1));
  const part = partWith("accuracy", { metric, measured: rows });
  expect(part.measured).toEqual([1, 0, 1]);
  expect(Object.keys(part.metric.result(part.measured))).toEqual(["accuracy"]);
  const other = partWith("pearson", { metric, measured: rows });
  expect(other.metric.result(other.measured).pearson).toBe(metric.result(rows).pearson);
  expect(partWith("bleu", { metric, measured: rows })).toEqual({ metric, measured: rows });
});
