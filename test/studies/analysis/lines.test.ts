import { expect, test } from "vitest";
import type { LineFit } from "../../../src/base/records/analysis.js";
import { againstFull, kindsOf } from "../../../src/studies/analysis/fits.js";
import { leastSquares, lineOfLayers } from "../../../src/studies/analysis/lines.js";

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

/** Layers that start apart along a falling line, each of which rises: numpy.polyfit gives each slope. */
const RISING = [
  [
    [1, 8],
    [1.1, 8.4],
    [1.3, 9],
  ],
  [
    [3, 4],
    [3.2, 4.5],
    [3.3, 5.1],
  ],
  [
    [5, 1],
    [5.1, 1.1],
    [5.4, 1.9],
  ],
] as const;

test("layers that all rise can lie along a falling line (Simpson's paradox)", () => {
  const { slope, within, across } = lineOfLayers(RISING);
  expect(slope).toBeCloseTo(-1.73494847, 8);
  expect(within).toBeCloseTo(2.88888889, 8);
  expect(across).toBeCloseTo(-1.76905564, 8);
});

test("with equally many points in each layer, the slope is the mean of both parts, weighted by ΔD's variance", () => {
  const square = (points: readonly (readonly [number, number])[]) => {
    const center = points.reduce((sum, [x]) => sum + x, 0) / points.length;
    return points.reduce((sum, [x]) => sum + (x - center) ** 2, 0);
  };
  const share = RISING.reduce((sum, points) => sum + square(points), 0) / square(RISING.flat());
  const { slope, within, across } = lineOfLayers(RISING);
  expect(share * within! + (1 - share) * across!).toBeCloseTo(slope!, 12);
});

test("a slope within layers needs a layer that moves, one across layers two that differ", () => {
  expect(lineOfLayers([[[1, 2]], [[3, 1]], []])).toMatchObject({ slope: -0.5, within: null, across: -0.5 });
  expect(
    lineOfLayers([
      [
        [1, 2],
        [2, 5],
      ],
    ]),
  ).toMatchObject({ slope: 3, within: 3, across: null });
  // Rounding in a layer that stands still is no movement, and frozen magnitudes have a slope of 0.
  const still = [
    [0.1, 1],
    [0.1 * (1 + 1e-14), 2],
  ] as const;
  expect(
    lineOfLayers([
      still,
      [
        [0.3, 1],
        [0.3, 3],
      ],
    ]).within,
  ).toBeNull();
  expect(
    lineOfLayers([
      still,
      [
        [1, 2],
        [2, 5],
      ],
    ]).within,
  ).toBe(3);
  expect(
    lineOfLayers([
      [
        [1, 0.1],
        [2, 0.1],
      ],
      [
        [2, 0.3],
        [5, 0.3],
      ],
    ]).within,
  ).toBe(0);
  expect(lineOfLayers([])).toMatchObject({ slope: null, within: null, across: null });
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
