import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Comparison, VarianceEntry } from "../../../src/base/records/comparison.js";
import { crossedScores, varianceComponents } from "../../../src/studies/statistics/varianceComponents.js";
import { varianceTable } from "../../../src/studies/tables/varianceTable.js";
import { GOLDEN } from "../../e2e/support.js";
import { accuracy, run, task } from "./sampleComparison.js";

interface Case {
  readonly scores: number[][];
  readonly components: readonly [dataSeed: number, seed: number, residual: number];
}

const cases = JSON.parse(readFileSync(join(GOLDEN, "compare/variance.json"), "utf8")) as Case[];

test.each(cases.map((one) => [one.scores.length, one.scores[0]!.length, one] as const))(
  "the components of %i data seeds and %i seeds are those of the design's projections",
  (_rows, _columns, { scores, components: [dataSeed, seed, residual] }) => {
    const found = varianceComponents(scores);
    expect(found.dataSeed).toBeCloseTo(dataSeed, 12);
    expect(found.seed).toBeCloseTo(seed, 12);
    expect(found.residual).toBeCloseTo(residual, 12);
  },
);

test("equal scores have no variance, and scores that differ by the data seed alone have only that", () => {
  expect(varianceComponents([[0.1, 0.1], [0.1, 0.1]])).toEqual({ dataSeed: 0, seed: 0, residual: 0 }); // biome-ignore format: a layout
  const { dataSeed, seed, residual } = varianceComponents([[0, 0, 0], [1, 1, 1]]); // biome-ignore format: a layout
  expect([dataSeed, seed, residual]).toEqual([0.5, 0, 0]);
});

describe("scores of runs as a layout", () => {
  const scored = (seed: number, dataSeed: number, score: number) => ({ seed, dataSeed, score });
  const whole = [scored(1, 7, 0.1), scored(0, 7, 0.2), scored(0, 3, 0.3), scored(1, 3, 0.4)];

  test("are sorted by data seeds, then seeds", () => {
    expect(crossedScores(whole)).toEqual([
      [0.3, 0.4],
      [0.2, 0.1],
    ]);
  });

  test("are none if a pair of seeds is missing, or if there is one seed only", () => {
    expect(crossedScores(whole.slice(1))).toBeUndefined();
    expect(crossedScores(whole.filter(({ seed }) => seed === 0))).toBeUndefined();
    expect(crossedScores([...whole.slice(1), scored(2, 7, 0.5)])).toBeUndefined();
    expect(crossedScores([])).toBeUndefined();
  });
});

describe("the table of components", () => {
  const runs = [0, 1].flatMap((seed) =>
    [0, 1].flatMap((dataSeed) =>
      ["a", "b"].map((method) => ({ ...run("t", method, seed, { accuracy: 0.5 }), dataSeed })),
    ),
  );
  const entry: VarianceEntry = {
    ...{ task: "t", method: "a", metric: "accuracy", seeds: 2, dataSeeds: 2 },
    ...{ dataSeed: 0.0009, seed: -0.0001, residual: 0.0001, rows: 0.0004 },
  };
  const comparison: Comparison = { tasks: [task("t", accuracy)], methods: ["a", "b"], runs, variance: [entry] };

  test("has deviations with their shares, 0 for a negative estimate", () => {
    const [table] = varianceTable(comparison);
    expect(table!.columns.map(({ title, cells }) => [title, cells[0]!.text])).toEqual([
      ["Metric", "Accuracy"],
      ["Runs", "2 × 2"],
      ["Data seed", "0.0300 (90 %)"],
      ["Seed", "0 (negative)"],
      ["Residual", "0.0100 (10 %)"],
      ["Finite test set", "0.0200"],
    ]);
    expect(table!.notes.join("\n")).toContain("A negative estimate, shown as 0,");
    expect(table!.notes.at(-1)).toContain("is in none of the components");
  });

  test("is missing without data seeds", () => {
    expect(varianceTable({ ...comparison, runs: [run("t", "a", 0, {})], variance: [] })).toEqual([]);
  });
});
