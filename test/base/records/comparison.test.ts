import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readComparisonFile } from "../../../src/base/records/comparisonFile.js";
import { freshPath } from "../../support/workFolder.js";

const shared = {
  a: "a",
  b: "b",
  pairs: 9,
  differing: 9,
  unmatched: 0,
  p: 0.2,
  pHolm: 0.2,
  population: "rows of this task",
};
const bootstrap = (task: string, metric: string, more: object) => ({
  ...{ ...shared, test: "bootstrap", task, metric, statistic: 0.2, low: -0.1, high: 0.4, resamples: 10_000 },
  pStandardError: 0.1,
  ...more,
});

test("in files of earlier versions, a bootstrap's difference gets the sign by which positive is better", () => {
  const folder = freshPath("comparison");
  mkdirSync(folder, { recursive: true });
  const tasks = [
    { name: "reg", metrics: [{ name: "meanSquaredError", goal: "minimize" }] },
    { name: "cls", metrics: [{ name: "accuracy", goal: "maximize" }] },
  ];
  const now = { confidence: 0.95 };
  const tests = [
    bootstrap("reg", "meanSquaredError", {}),
    bootstrap("reg", "meanSquaredError", now),
    bootstrap("cls", "accuracy", {}),
  ];
  const rowGroups = [{ tasks: ["reg", "cls"], share: ["files"] }];
  const rest = { runs: [], methods: ["a", "b"], reached: [], conditions: {}, rowGroups };
  writeFileSync(join(folder, "comparison.json"), JSON.stringify({ tasks, tests, ...rest }));
  const found = readComparisonFile(folder);
  expect(found.tests).toMatchObject([
    { statistic: -0.2, low: -0.4, high: 0.1, ...now },
    { statistic: 0.2, low: -0.1, high: 0.4, ...now },
    { statistic: 0.2, low: -0.1, high: 0.4, ...now },
  ]);
  expect(found.rowGroups).toEqual(rowGroups);
});
