import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import type { ComparisonFile } from "../../../src/base/records/index.js";
import { bidora, comparisonFile, fresh, json } from "../support.js";

const file = comparisonFile("maxSteps: 2", "batchSize: 4", "dtype: float32", "threads: 1", "rank: 2");
const place = "sequence-classification/lora";

test("--data-seeds crosses seeds with data seeds, and divides the variance between the two", async () => {
  const output = fresh("crossed");
  const asked = { runFile: file, methods: ["lora", "dora"], seeds: [0, 1], dataSeeds: [0, 5], output };
  const outcome = await compare(asked);
  if (outcome.kind !== "compared") throw new Error(outcome.kind);
  const { tasks, runs, variance, tests, conditions } = json<ComparisonFile>(join(output, "comparison.json"));
  expect(runs.filter(({ method }) => method === "lora").map(({ seed, dataSeed }) => [seed, dataSeed])).toEqual([
    ...[[0, 0], [0, 5], [1, 0], [1, 5]], // biome-ignore format: pairs
  ]);
  for (const name of ["seed-0-data-0", "seed-1-data-5"]) expect(existsSync(join(output, place, name))).toBe(true);
  expect(readFileSync(join(output, place, "seed-1-data-5/run.yaml"), "utf8")).toMatch(/^dataSeed: 5$/m);
  expect(conditions).toMatchObject({ seeds: [0, 1], dataSeeds: [0, 5] });
  expect(tests.find(({ test }) => test === "wilcoxon")).toMatchObject({ unmatched: 0 });
  expect(variance!.map(({ method, metric, seeds, dataSeeds }) => [method, metric, seeds, dataSeeds])).toEqual(
    ["lora", "dora"].flatMap((method) => ["accuracy", "loss"].map((metric) => [method, metric, 2, 2])),
  );
  // A bootstrap over n rows of which a share p is right: p(1 − p)/n, averaged over the runs.
  const count = tasks[0]!.rows!.count!;
  const rows = runs.flatMap(({ method, metrics }) => (method === "lora" ? metrics.accuracy! : []));
  const expected = rows.reduce((sum, p) => sum + (p * (1 - p)) / count / rows.length, 0);
  expect(variance![0]!.rows! / expected).toBeCloseTo(1, 1);
  expect(variance![1]!.rows).toBeGreaterThan(0);
  for (const name of ["comparison.md", "comparison.tex", "report.html"])
    expect(readFileSync(join(output, name), "utf8")).toContain("Finite test set");
  expect(outcome.text).toContain("over 4 runs, each with a seed and a data seed");

  // The same command continues with what is missing, and --collect finds it.
  rmSync(join(output, place, "seed-1-data-5"), { recursive: true });
  const collected = await compare({ collect: true, output });
  expect(collected).toMatchObject({
    result: { unfinished: [{ method: "lora", seed: 1, dataSeed: 5, state: "waiting" }] },
    text: expect.stringContaining("lora seed 1, data seed 5 on sequence-classification (not started)"),
  });
  const listed = await bidora("compare", file, ...flags(output), "--list");
  expect(listed.stdout.trim().split("\n")).toHaveLength(8);
  expect(listed.stdout).toMatch(/--seed=1 --data-seed=5/);
  await expect(compare({ runFile: file, methods: ["lora"], seeds: [0], output })).rejects.toThrow(
    "has a seed of its own for the rows (--data-seeds)",
  );
}, 200_000);

const flags = (output: string) => [
  ...["--methods", "lora,dora", "--seeds", "0,1", "--data-seeds", "0,5", "--output", output],
];

test("a data seed that is named twice, or has no effect, is refused", async () => {
  const call = (settings: object) => compare({ runFile: file, output: fresh("refused"), dryRun: true, ...settings });
  await expect(call({ dataSeeds: [1, 1] })).rejects.toThrow("--data-seeds names 1 twice");
  await expect(call({ dataSeeds: [1], shuffle: false })).rejects.toThrow("--data-seeds has no effect on runs with");
});
