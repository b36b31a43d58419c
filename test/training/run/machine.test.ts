// What this machine lacks is refused before a model or a row is looked for.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { finetune } from "../../../src/index.js";
import { freshPath } from "../../support/workFolder.js";

test.each([
  [{ device: "cuda:999" }, /^The device cuda:999 is not there/],
  [{ threads: 1e6 }, /^threads: expected at most \d+ threads/],
] as const)("%o", async (settings, message) => {
  const folder = freshPath("nothing");
  const output = join(folder, "run");
  const given = { model: join(folder, "model"), train: join(folder, "rows.csv"), task: "regression", output } as const;
  await expect(finetune({ ...given, ...settings })).rejects.toThrow(message);
  await expect(finetune(given)).rejects.toThrow("model");
  expect(existsSync(output)).toBe(false);
});
