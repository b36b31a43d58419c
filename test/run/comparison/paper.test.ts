import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { refuseWithoutEffect, resolveRun, runOptions } from "../../../src/config/index.js";
import { finalCells, gridCells, pairsOf } from "../../../src/run/comparison/cells.js";
import { readSpec } from "../../../src/run/comparison/spec.js";

const folder = fileURLToPath(new URL("../../../examples/paper/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
const facts = {
  rowsOf: async () => 10_000,
  stepsOf: async () => 1000,
  secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
};

describe.each(files)("the paper's experiment in %s", (name) => {
  it("says of every run what has an effect there, with the paper's five seeds", async () => {
    const spec = readSpec({ grid: ["learningRate=1e-4,1e-3"] }, join(folder, name));
    expect(spec.seeds).toEqual([0, 1, 2, 3, 4]);
    const methods = spec.variants.map((variant) => variant.name);
    expect(methods).toEqual(expect.arrayContaining(["lora", "lora+es", "dora", "dora+es", "bidora"]));
    for (const pair of pairsOf(spec))
      for (const cell of [...(await gridCells(spec, pair, facts)), ...(await finalCells(spec, pair, facts))])
        expect(() => refuseWithoutEffect(runOptions, cell.settings, resolveRun(cell.settings))).not.toThrow();
  });
});

it("all of the paper's data sets are there", () => {
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
