import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { reportedRows } from "../../src/comparison/checkTasks.js";
import { readSpec } from "../../src/comparison/spec.js";
import { fresh } from "../e2e/support.js";
import { expectEffects } from "./effects.js";

const folder = fileURLToPath(new URL("../../examples/paper/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

describe.each(files)("the paper's experiment in %s", (name) => {
  it("has an effective value for every setting of every run, and the paper's five seeds", async () => {
    const spec = readSpec({ grid: ["learningRate=1e-4,1e-3"] }, join(folder, name));
    expect(spec.seeds).toEqual([0, 1, 2, 3, 4]);
    const methods = spec.variants.map((variant) => variant.name);
    expect(methods).toEqual(expect.arrayContaining(["lora", "lora+es", "dora", "dora+es", "bidora"]));
    await expectEffects(spec, 10_000);
  });
});

it("the paper's data sets all have a file", () => {
  const named = files.flatMap((name) => readSpec({}, join(folder, name)).tasks.map((task) => task.name));
  expect([...new Set(named)].sort()).toEqual([
    "conll2003",
    "e2e-nlg",
    ...["cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb"].map((set) => `glue-${set}`),
    "jnlpba",
    ...["bbp", "hotprotein-s2c2", "mic"].map((set) => `protein-${set}`),
    ...["modapte", "modhayes", "modlewis"].map((set) => `reuters21578-${set}`),
  ]);
});

/** Folders as published, as far as their files' names say what splits they have. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  conll2003: ["train.txt", "valid.txt", "test.txt"],
  jnlpba: ["train.tsv", "devel.tsv", "test.tsv"],
};

/** How the files say that results are on test rows; otherwise they are on validation rows. */
const SAYS_TEST = /the results are on the test rows|testSplit: true/;

describe.each(files.filter((name) => !name.startsWith("proteins")))("the rows of %s", (name) => {
  it("are those that the file says its figures are of", async () => {
    const path = join(folder, name);
    const expected = SAYS_TEST.test(readFileSync(path, "utf8")) ? "test" : "validation";
    expect(expected).toBe(/glue/.test(name) ? "validation" : "test");
    const { tasks, common } = readSpec({}, path);
    for (const task of tasks) {
      const data = fresh();
      mkdirSync(data);
      for (const file of FILES[task.name] ?? []) writeFileSync(join(data, file), "");
      expect(await reportedRows({ ...common, ...task.settings, data })).toBe(expected);
    }
  });
});
