import { expect, test } from "vitest";
import { costToReach } from "../../../src/studies/tables/costColumns.js";

const evaluations = [
  { step: 10, seconds: 1.5, value: 0.5 },
  { step: 20, seconds: 3, value: 0.75 },
  { step: 30, seconds: 4.5, value: 0.7 },
  { step: 40, seconds: 6, value: 0.9 },
];

test("the cost is that of the first evaluation at least as good as the target, whatever comes later", () => {
  expect(costToReach(evaluations, 0.75, "maximize")).toEqual({ step: 20, seconds: 3 });
  expect(costToReach(evaluations.toReversed(), 0.7, "maximize")).toEqual({ step: 20, seconds: 3 });
  expect(costToReach(evaluations, 0.76, "maximize")).toEqual({ step: 40, seconds: 6 });
  expect(costToReach(evaluations, 0.4, "maximize")).toEqual({ step: 10, seconds: 1.5 });
});

test("for a metric to minimize, a value at or below the target reaches it", () => {
  expect(costToReach(evaluations, 0.5, "minimize")).toEqual({ step: 10, seconds: 1.5 });
  expect(costToReach(evaluations, 0.49, "minimize")).toBeNull();
});

test("the cost is null if the score is never reached, the run was never evaluated, or it diverged", () => {
  expect(costToReach(evaluations, 0.91, "maximize")).toBeNull();
  expect(costToReach([], 0, "maximize")).toBeNull();
  expect(costToReach([{ step: 1, seconds: 1, value: Number.NaN }], -1, "maximize")).toBeNull();
  expect(costToReach([{ step: 1, seconds: 1, value: Number.NaN }], 1, "minimize")).toBeNull();
});
