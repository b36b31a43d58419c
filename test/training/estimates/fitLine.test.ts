import { expect, test } from "vitest";
import { typicalSeconds } from "../../../src/training/estimates/costs.js";
import { evenlySpread, fitLine, meanOverLine, secondsAt } from "../../../src/training/estimates/sampler.js";

const on = (base: number, perToken: number) => (tokens: number) => ({ tokens, seconds: base + perToken * tokens });

test("the line fit is robust against one outlier", () => {
  const points = [100, 200, 400, 700, 900, 1500].map(on(0.5, 0.01));
  const disturbed = points.map((point, i) => (i === 1 ? { ...point, seconds: 10 * point.seconds } : point));
  for (const measured of [points, disturbed]) {
    const line = fitLine(measured);
    expect(line.base).toBeCloseTo(0.5, 6);
    expect(line.perToken).toBeCloseTo(0.01, 8);
    expect(secondsAt(line, 1000)).toBeCloseTo(10.5, 6);
  }
});

test("points that don't determine an intercept are fitted through zero", () => {
  expect(fitLine([100, 100, 100].map(on(0, 0.02)))).toEqual({ base: 0, perToken: 0.02 });
  expect(fitLine([on(0, 0.02)(50)])).toEqual({ base: 0, perToken: 0.02 });
  // A base below zero would make short work free.
  const line = fitLine([100, 200, 400].map(on(-0.5, 0.01)));
  expect(line.base).toBe(0);
  expect(secondsAt(line, 200)).toBeCloseTo(1.5, 6);
});

test("a negative slope is replaced by a constant", () => {
  expect(fitLine([100, 200, 300].map(on(4, -0.01)))).toEqual({ base: 2, perToken: 0 });
});

test("the mean of the fitted values is the mean of the times", () => {
  const measured = [100, 200, 300].map((tokens, i) => ({ tokens, seconds: tokens * (i === 0 ? 0.04 : 0.01) }));
  expect(meanOverLine({ base: 0, perToken: 0.01 }, measured)).toBeCloseTo(9 / 6, 10);
});

test("a sample is evenly spaced, and a sample of all has each item once", () => {
  expect(evenlySpread(100, 3)).toEqual([50, 25, 75]);
  expect(evenlySpread(5, 64).toSorted()).toEqual([0, 1, 2, 3, 4]);
  expect(evenlySpread(0, 64)).toEqual([]);
});

test("the typical step weights each phase by its steps", () => {
  const search = { steps: 10, secondsOfSteps: [3, 3.2] };
  const retrain = { steps: 33, secondsOfSteps: [1, 1.1, 1.2] };
  expect(typicalSeconds([search, retrain])).toBe(1.1);
  expect(typicalSeconds([{ ...search, steps: 70 }, retrain])).toBe(3);
  expect(typicalSeconds([search])).toBeCloseTo(3.1, 10);
  // Half of the steps are in each phase: between the longest of one and the shortest of the other.
  expect(typicalSeconds([{ ...search, steps: 33 }, retrain])).toBeCloseTo(2.1, 10);
});
