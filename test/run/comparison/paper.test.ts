import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readSpec } from "../../../src/run/comparison/spec.js";
import { expectEffects } from "./effects.js";

const folder = fileURLToPath(new URL("../../../examples/paper/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".yaml"));

describe.each(files)("the paper's experiment in %s", (name) => {
  it("says of every run what has an effect there, with the paper's five seeds", async () => {
    const spec = readSpec({ grid: ["learningRate=1e-4,1e-3"] }, join(folder, name));
    expect(spec.seeds).toEqual([0, 1, 2, 3, 4]);
    const methods = spec.variants.map((variant) => variant.name);
    expect(methods).toEqual(expect.arrayContaining(["lora", "lora+es", "dora", "dora+es", "bidora"]));
    await expectEffects(spec, 10_000);
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
