import { expect, test } from "vitest";
import { costToReach } from "../../src/compare/costColumns.js";

const evaluations = [
  { step: 10, seconds: 1.5, value: 0.5 },
  { step: 20, seconds: 3, value: 0.75 },
  { step: 30, seconds: 4.5, value: 0.7 },
  { step: 40, seconds: 6, value: 0.9 },
];

test("the first evaluation that is as good as the target, whatever comes later", () => {
  expect(costToReach(evaluations, 0.75, "maximize")).toEqual({ step: 20, seconds: 3 });
  expect(costToReach(evaluations.toReversed(), 0.7, "maximize")).toEqual({ step: 20, seconds: 3 });
  expect(costToReach(evaluations, 0.76, "maximize")).toEqual({ step: 40, seconds: 6 });
  expect(costToReach(evaluations, 0.4, "maximize")).toEqual({ step: 10, seconds: 1.5 });
});

test("where less is better, at most the target", () => {
  expect(costToReach(evaluations, 0.5, "minimize")).toEqual({ step: 10, seconds: 1.5 });
  expect(costToReach(evaluations, 0.49, "minimize")).toBeNull();
});

test("a score that was never had has no cost, nor has a run that was never evaluated or diverged", () => {
  expect(costToReach(evaluations, 0.91, "maximize")).toBeNull();
  expect(costToReach([], 0, "maximize")).toBeNull();
  expect(costToReach([{ step: 1, seconds: 1, value: Number.NaN }], -1, "maximize")).toBeNull();
  expect(costToReach([{ step: 1, seconds: 1, value: Number.NaN }], 1, "minimize")).toBeNull();
});
