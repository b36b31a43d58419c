import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { quickstart } from "../../../src/app/commands/quickstart.js";
import { COMPARISON, readComparisonFile } from "../../../src/base/records/comparisonFile.js";
import { clearComparison, comparedRunFolder, readPlan } from "../../../src/base/records/comparisonFolder.js";
import { BERT, bidora, fresh, list } from "../support.js";

test("quickstart trains the model with each method and leaves a comparison", async () => {
  const folder = fresh("quickstart");
  mkdirSync(folder);
  // A folder of the model's name stands in for the model, so that nothing is fetched.
  cpSync(join(BERT, "single"), join(folder, "sentence-transformers/all-MiniLM-L6-v2"), { recursive: true });
  const before = process.cwd();
  process.chdir(folder);
  try {
    const { status, stderr } = await bidora("quickstart", "--methods", "lora", "--output", "out", "--threads", "1");
    expect(stderr).toMatch(/lora: fine-tuning .*400 text messages/);
    expect(stderr).not.toMatch(/bidora:/);
    expect(status).toBe(0);
  } finally {
    process.chdir(before);
  }
  const output = join(folder, "out");
  expect(list(output)).toEqual([
    "comparison-plan.json",
    "comparison.json",
    "comparison.md",
    "comparison.tex",
    "report.html",
    "sequence-classification",
  ]);
  const { runs } = readComparisonFile(output);
  expect(runs.map(({ task, method, seed }) => ({ task, method, seed }))).toEqual([
    { task: "sequence-classification", method: "lora", seed: 0 },
  ]);
  // The first version left its runs in folders named after their methods.
  cpSync(comparedRunFolder(output, runs[0]!), join(output, "dora"), { recursive: true });
  writeFileSync(join(output, "comparison.json"), JSON.stringify([{ method: "dora" }]));
  writeFileSync(join(output, "notes.txt"), "mine");
  clearComparison(output);
  expect(list(output)).toEqual(["comparison-plan.json", "notes.txt"]);
  expect(readPlan(output)).toEqual({});
});

test("--overwrite keeps the earlier results if the model can't be downloaded", async () => {
  const output = fresh("kept");
  mkdirSync(output);
  writeFileSync(join(output, COMPARISON), "{}");
  const hub = { offline: true, environment: { HF_HOME: fresh("hub"), XDG_CACHE_HOME: fresh("cache") } };
  await expect(quickstart({ output, overwrite: true }, { hub })).rejects.toThrow("all-MiniLM-L6-v2");
  expect(list(output)).toEqual([COMPARISON]);
});
