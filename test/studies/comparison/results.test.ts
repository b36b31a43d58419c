import { mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { CollectedRun } from "../../../src/studies/comparison/results/collectRuns.js";
import { summarizeRuns } from "../../../src/studies/comparison/results/results.js";
import { fresh } from "../../e2e/support.js";

/** A run of a regression task, where the look at a step saw a score after as many seconds. */
function run(method: string, seed: number, looks: readonly number[], more: CollectedRun["metrics"] = {}): CollectedRun {
  const folder = fresh("gathered");
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/run.yaml`, "task: regression\n");
  return {
    ...{ task: "t", method, seed, folder, trainedParameters: 1, seconds: 9, peakMemoryBytes: 1, steps: 9, rows: 9 },
    metrics: { pearson: 0.5, spearman: 0.5, meanSquaredError: 0.5, ...more },
    scored: { validation: 9, stopsByValidation: false },
    evaluations: looks.map((meanSquaredError, i) => ({ meanSquaredError, step: i + 1, seconds: i + 1 })),
  };
}

const failed = (method: string, seed: number, task = "t") => ({ task, method, seed, reason: "no reason" });
const asked = { tasks: ["t"], methods: ["vera", "lora", "lora+es", "dora"], reach: 0.2 };

describe("failed runs of a comparison", () => {
  const runs = [run("lora", 0, [0.5, 0.1]), run("dora", 0, [0.9])];
  const missing = { failed: [failed("lora", 1), failed("vera", 0), failed("lora+es", 0)], unfinished: [] };
  const found = summarizeRuns(runs, asked, missing);

  it("keep their methods in the tables, in the requested order", () => {
    expect(found.methods).toEqual(["vera", "lora", "lora+es", "dora"]);
    expect(found.failed).toBe(missing.failed);
  });

  it("count as not having reached the score, unless they are evaluated on other rows", () => {
    expect(found.reached[0]?.runs).toEqual([
      { method: "lora", seed: 0, cost: { step: 2, seconds: 2 } },
      { method: "dora", seed: 0, cost: null },
      { method: "lora", seed: 1, cost: null },
      { method: "vera", seed: 0, cost: null },
    ]);
    const held = [run("lora", 0, [0.1], { holdout_pearson: 0.9 }), run("dora", 0, [0.1])];
    expect(summarizeRuns(held, asked, { ...missing, failed: [failed("lora", 1)] }).reached[0]?.runs).toHaveLength(1);
  });

  it("of other tasks do not count", () => {
    const other = summarizeRuns(runs, asked, { failed: [failed("lora", 1, "u")], unfinished: [] });
    expect(other.reached[0]?.runs).toHaveLength(2);
    expect(other.tasks.map(({ name }) => name)).toEqual(["t"]);
  });
});
