import { expect, test } from "vitest";
import type { LineFit } from "../../../src/base/records/analysis.js";
import { againstFull, kindsOf, leastSquares } from "../../../src/studies/analysis/fits.js";

test("points on a line give that line", () => {
  const { slope, intercept, correlation, points } = leastSquares([
    [0, 1],
    [1, -1],
    [3, -5],
  ]);
  expect(points).toBe(3);
  expect(slope).toBeCloseTo(-2, 14);
  expect(intercept).toBeCloseTo(1, 14);
  expect(correlation).toBeCloseTo(-1, 14);
});

test("other points give the least-squares line of the textbook formula", () => {
  // x: mean 2, Sxx 10; y: mean 2.8, Sxy 7, Syy 6.8.
  const fit = leastSquares([
    [0, 1],
    [1, 3],
    [2, 2],
    [3, 4],
    [4, 4],
  ]);
  expect(fit.slope).toBeCloseTo(0.7, 14);
  expect(fit.intercept).toBeCloseTo(1.4, 14);
  expect(fit.correlation).toBeCloseTo(7 / Math.sqrt(68), 14);
});

test("with fewer than two points, or one value of ΔD, there is no line, and a note says so", () => {
  const none = { slope: null, intercept: null, correlation: null };
  expect(leastSquares([])).toEqual({ points: 0, ...none, note: "There are no points: a line needs two." });
  expect(leastSquares([[1, 2]])).toEqual({ points: 1, ...none, note: "There is one point: a line needs two." });
  for (const x of [0, 0.1, 1e-30])
    expect(
      leastSquares([
        [x, 1],
        [x * (1 + 1e-12), 2],
        [x, 3],
      ]),
    ).toMatchObject({ points: 3, ...none, note: expect.stringContaining("no slope") });
});

test("equal ΔM give a flat line without correlation", () => {
  expect(
    leastSquares([
      [1, 0.1],
      [2, 0.1],
      [3, 0.1 + 1e-12],
    ]),
  ).toMatchObject({ slope: 0, correlation: null, note: "ΔM is the same in all points." });
});

test("tiny changes have the same slope as large ones", () => {
  const fit = leastSquares([
    [1e-14, 1e-7],
    [2e-14, 3e-7],
  ]);
  expect(fit.slope! / 2e7).toBeCloseTo(1, 12);
  expect(fit.correlation).toBeCloseTo(1, 12);
});

test("a slope is compared with the mean slope of full fine-tuning", () => {
  const fit = leastSquares([
    [0, 0],
    [1, 3],
  ]);
  const full = [
    { name: "a", slope: -1 },
    { name: "b", slope: null },
    { name: "c", slope: -2 },
  ];
  const fitted = (all: LineFit) => ({ phase: "search", all, kinds: {} }) as const;
  expect(againstFull(fitted(fit), full)).toEqual({
    phase: "search",
    runs: ["a", "c"],
    slope: -1.5,
    difference: 4.5,
    hasSameSign: false,
  });
  expect(againstFull(fitted(fit), [{ name: "b", slope: null }])).toBeUndefined();
  expect(againstFull(fitted(leastSquares([])), full)).toBeUndefined();
});

test("kinds of layers have the shortest unique names", () => {
  const kinds = kindsOf([
    "bert.encoder.layer.0.attention.self.query",
    "bert.encoder.layer.0.attention.output.dense",
    "bert.encoder.layer.11.output.dense",
    "bert.encoder.layer.0.intermediate.dense",
    "bert.pooler.dense",
    "classifier",
  ]);
  expect([...kinds.values()]).toEqual([
    "query",
    "attention.output.dense",
    "output.dense",
    "intermediate.dense",
    "pooler.dense",
    "classifier",
  ]);
});
