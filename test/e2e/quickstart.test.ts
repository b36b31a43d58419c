import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BERT, called, fresh, list } from "./support.js";

test("quickstart trains the model with each method and leaves a comparison", async () => {
  const folder = fresh("quickstart");
  mkdirSync(folder);
  // A folder of the model's name stands in for the model, so that nothing is fetched.
  cpSync(join(BERT, "single"), join(folder, "sentence-transformers/all-MiniLM-L6-v2"), { recursive: true });
  const before = process.cwd();
  process.chdir(folder);
  try {
    const { status, stderr } = await called("quickstart", "--methods", "lora", "--output", "out", "--threads", "1");
    expect(stderr).toMatch(/lora: fine-tuning .*400 text messages/);
    expect(stderr).not.toMatch(/bidora:/);
    expect(status).toBe(0);
  } finally {
    process.chdir(before);
  }
  expect(list(join(folder, "out"))).toEqual(["comparison.json", "lora", "report.html"]);
});
