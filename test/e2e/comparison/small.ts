// The settings, rows and results of the comparisons in compare.test.ts and compare.slow.test.ts.
import { join } from "node:path";
import { BERT, jsonl, write } from "../support.js";

export const rows = (count: number, name = "word") =>
  Array.from({ length: count }, (_, i) => ({
    sentence1: `${name} ${i}`,
    sentence2: "the",
    label: ["alpha", "beta", "gamma"][i % 3],
  }));

/** Writes the files. Each test file needs its own, since they are removed at its end. */
export function small() {
  const [train, validation] = [jsonl(...rows(20)), jsonl(...rows(9, "other"))];
  const settings = [
    `model: ${join(BERT, "single")}`,
    "task: sequence-classification",
    `train: ${train}`,
    `validation: ${validation}`,
    "maxSteps: 2",
    "batchSize: 4",
    "dtype: float32",
    "threads: 1",
    "rank: 2",
  ];
  return { train, validation, file: write("compare.yaml", settings.join("\n")) };
}

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
