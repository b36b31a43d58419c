import type { ComparedMetric, ComparedRun, ComparedTask } from "../../../src/base/records/comparison.js";

export const accuracy: ComparedMetric = { name: "accuracy", goal: "maximize" };
export const f1: ComparedMetric = { name: "f1", goal: "maximize" };
export const perplexity: ComparedMetric = { name: "perplexity", goal: "minimize" };

export const task = (name: string, ...metrics: ComparedTask["metrics"]): ComparedTask => ({ name, metrics });

export const run = (
  task: string,
  method: string,
  seed: number,
  metrics: Readonly<Record<string, number>>,
  cost: Partial<Pick<ComparedRun, "trainedParameters" | "seconds" | "peakMemoryBytes">> = {},
): ComparedRun => ({
  task,
  method,
  seed,
  metrics,
  trainedParameters: 1234,
  seconds: 12.34,
  peakMemoryBytes: 512 * 2 ** 20,
  ...cost,
});

/** Runs of one method on one task, a seed from 0 a score. */
export const runsOf = (task: string, method: string, metric: string, scores: readonly number[]): ComparedRun[] =>
  scores.map((score, seed) => run(task, method, seed, { [metric]: score }));
