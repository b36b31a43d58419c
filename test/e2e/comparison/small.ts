// The settings, rows and results of the comparisons in compare.test.ts and compare.slow.test.ts.
import { join } from "node:path";
import { BERT, jsonl, write } from "../support.js";

export const rows = (count: number, name = "word") =>
  Array.from({ length: count }, (_, i) => ({
    sentence1: `${name} ${i}`,
    sentence2: "the",
    label: ["alpha", "beta", "gamma"][i % 3],
  }));
export const train = jsonl(...rows(20));
export const validation = jsonl(...rows(9, "other"));

export const file = write(
  "compare.yaml",
  [
    `model: ${join(BERT, "single")}`,
    "task: sequence-classification",
    `train: ${train}`,
    `validation: ${validation}`,
    "maxSteps: 2",
    "batchSize: 4",
    "dtype: float32",
    "threads: 1",
    "rank: 2",
  ].join("\n"),
);

export interface Result {
  readonly runs: readonly { task: string; method: string; seed: number; metrics: Record<string, number> }[];
  readonly summary: readonly { method: string; metric: string; mean: number; deviation: number | null; n: number }[];
  readonly tests: readonly {
    a: string;
    b: string;
    test: string;
    metric: string;
    task?: string;
    pairs: number;
    p: number;
  }[];
}
