import fc from "fast-check";
import { describe, expect, it } from "vitest";
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
  matthewsCorrelation,
  meanSquaredError,
  pearson,
  retrieval,
  score,
  spearman,
  squad,
  subsetAccuracy,
  wordAccuracy,
} from "../../../src/tasks/metrics/index.js";
import { HIGHER_IS_BETTER } from "../../../src/tasks/metrics/parts/metric.js";

const classId = fc.integer({ min: 0, max: 4 });
const number = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });
const labelSet = fc.array(fc.constantFrom(0, 1), { minLength: 3, maxLength: 3 });
const tags = fc.array(fc.constantFrom("O", "B-X", "I-X", "B-Y", "I-Y"), { minLength: 4, maxLength: 4 });
const answer = fc.array(fc.constantFrom("the", "Cat", "sat.", "on"), { maxLength: 4 }).map((words) => words.join(" "));

const ranks = fc
  .uniqueArray(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 5 })
  .map((found) => found.sort((a, b) => a - b));

/** Metrics with a maker of rows: reference and prediction. */
const METRICS = {
  accuracy: over(accuracy, classId),
  balancedAccuracy: over(balancedAccuracy, classId),
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
  chrf: over(chrf, fc.array(answer, { minLength: 1, maxLength: 3 }), answer),
  chrfPlusPlus: over(chrfPlusPlus, fc.array(answer, { minLength: 1, maxLength: 3 }), answer),
  retrieval: over(retrieval, fc.integer({ min: 5, max: 9 }), ranks),
};

interface Rows {
  readonly make: () => Metric<unknown>;
  readonly rows: fc.Arbitrary<[unknown, unknown][]>;
}

function over<R, P>(make: () => Metric<R, P>, references: fc.Arbitrary<R>, predictions?: fc.Arbitrary<P>): Rows {
  const row = fc.tuple(references, predictions ?? references);
  return { make: make as () => Metric<unknown>, rows: fc.array(row, { minLength: 2, maxLength: 30 }) };
}

const measured = (metric: Metric<unknown>, rows: readonly [unknown, unknown][]) =>
  rows.map(([reference, prediction], i) => metric.measure(reference, prediction, i + 1));

describe.each(Object.entries(METRICS))("%s over measured rows", (_, { make, rows }) => {
  it("is bit for bit the same for a sample as for those rows measured alone", () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), (all, places) => {
        const sample = places.map((place) => all[place % all.length] as (typeof all)[number]);
        const metric = make();
        const known = measured(metric, all);
        const drawn = places.map((place) => known[place % all.length]);
        expect(metric.result(drawn, known)).toStrictEqual(score(make(), sample));
        expect(metric.result(known)).toStrictEqual(score(make(), all));
      }),
    );
  });

  it("can be joined with other metrics", () => {
    fc.assert(
      fc.property(rows, (all) => {
        const counter: Metric<unknown> = {
          values: { rows: HIGHER_IS_BETTER, corpus: HIGHER_IS_BETTER },
          measure: () => 1,
          result: (own, corpus) => ({ rows: own.length, corpus: corpus?.length ?? 0 }),
        };
        const both = combineMetrics(make(), counter);
        const known = measured(both, all) as (readonly unknown[])[];
        expect(both.result(known)).toStrictEqual({ ...score(make(), all), rows: all.length, corpus: all.length });
        const [first] = known as [readonly unknown[]];
        expect(both.result([first], known)).toMatchObject({ rows: 1, corpus: all.length });
      }),
    );
  });

  it("rejects no rows", () => {
    expect(() => make().result([])).toThrow("at least one row");
  });
});

it("a joint metric passes its parts the same arrays for the same corpus", () => {
  const seen = new Set<unknown>();
  const watcher: Metric<unknown> = {
    values: {},
    measure: () => 1,
    result(_, corpus) {
      seen.add(corpus);
      return {};
    },
  };
  const both = combineMetrics(watcher, accuracy() as Metric<unknown>);
  const rows = [[1, 1] as const, [1, 0] as const];
  both.result([rows[0]!], rows);
  both.result([rows[1]!], rows);
  expect(seen.size).toBe(1);
});

it("a joint metric notices rows added to a corpus", () => {
  const both = combineMetrics(accuracy(), f1(1));
  const rows = [both.measure(1, 1, 1)];
  expect(both.result(rows)).toEqual({ accuracy: 1, f1: 1 });
  rows.push(both.measure(0, 1, 2));
  expect(both.result(rows)).toEqual({ accuracy: 0.5, f1: 2 / 3 });
});

it("word accuracy rejects rows without words", () => {
  expect(() => score(wordAccuracy(), [[[], []]])).toThrow("at least one row");
});

it("a joint metric of no metrics has no values", () => {
  expect(combineMetrics().result([])).toEqual({});
});
