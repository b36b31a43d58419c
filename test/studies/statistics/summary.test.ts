import { expect, test } from "vitest";
import { mean, sampleDeviation, summary } from "../../../src/studies/statistics/summary.js";
import { run, runsOf } from "./sampleComparison.js";

test("the summary has mean and sample deviation of every metric, task and method, in order of first occurrence", () => {
  const runs = [
    run("mrpc", "lora", 0, { accuracy: 0.5, f1: 0.25 }),
    run("mrpc", "dora", 0, { accuracy: 0.75, f1: 1 }),
    run("mrpc", "lora", 1, { accuracy: 1, f1: 0.75 }),
    run("cola", "lora", 0, { accuracy: 0.125 }),
  ];
  const [task, method] = ["mrpc", "lora"];
  expect(summary(runs)).toEqual([
    { task, method, metric: "accuracy", mean: 0.75, deviation: Math.sqrt(0.125), n: 2 },
    { task, method, metric: "f1", mean: 0.5, deviation: Math.sqrt(0.125), n: 2 },
    { task, method: "dora", metric: "accuracy", mean: 0.75, deviation: null, n: 1 },
    { task, method: "dora", metric: "f1", mean: 1, deviation: null, n: 1 },
    { task: "cola", method, metric: "accuracy", mean: 0.125, deviation: null, n: 1 },
  ]);
  expect(summary([])).toEqual([]);
});

test("the order of seeds does not change the last digit", () => {
  const runs = runsOf("mrpc", "lora", "accuracy", [0.1, 0.7, 0.3, 1 / 3, 0.123456789, 0.9]);
  expect(summary(runs.toReversed())).toEqual(summary(runs));
});

test("names that could be confused when joined, or that every object has, are kept apart", () => {
  const runs = [
    run("a", "b c", 0, { x: 1 }),
    run("a b", "c", 0, { x: 2 }),
    run("a", "__proto__", 0, { constructor: 3 }),
  ];
  expect(summary(runs).map(({ mean, metric }) => [mean, metric])).toEqual([
    [1, "x"],
    [2, "x"],
    [3, "constructor"],
  ]);
});

test("rejects duplicate runs and metrics that are not numbers", () => {
  const one = run("mrpc", "lora", 3, { accuracy: 0.5 });
  expect(() => summary([one, { ...one, metrics: { accuracy: 0.7 } }])).toThrow(
    'one run of "lora" with seed 3 on "mrpc", got two',
  );
  expect(() => summary([run("mrpc", "lora", 0, { accuracy: Number.NaN })])).toThrow('"accuracy" of "lora"');
  // What JSON makes of NaN.
  expect(() => summary([run("mrpc", "lora", 0, JSON.parse('{"accuracy":null}'))])).toThrow("got null");
});

test("the mean of values with NaN is NaN, which does not count as 0", () => {
  expect([mean([Number.NaN]), mean([1, Number.NaN]), mean([])]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  expect(sampleDeviation([1, Number.NaN])).toBe(Number.NaN);
});
