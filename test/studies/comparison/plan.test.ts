import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { comparedRunsIn, PLAN } from "../../../src/base/records/comparisonFolder.js";
import { MARKER, RUN_FILE } from "../../../src/base/records/names.js";
import { type Cell, finalCells, otherFinishedCells, pairsOf } from "../../../src/studies/comparison/plan/cells.js";
import { checkStarted, refuseForeignRuns, savePlan } from "../../../src/studies/comparison/plan/plan.js";
import type { ComparisonSettings } from "../../../src/studies/comparison/spec/compareOptions.js";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { tunedKeys } from "../../../src/studies/comparison/spec/tuning.js";
import { renderRunYaml, resolveRun } from "../../../src/tasks/config/index.js";
import { fresh, write } from "../../e2e/support.js";

const facts = {
  rowsOf: async () => 10_000,
  upperRowsOf: async () => undefined,
  stepsOf: async () => 40,
  secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
};
const train = write("rows.jsonl", "{}\n");
const model = join(write("config.json", "{}"), "..");
const file = write("compare.yaml", `model: ${model}\ntask: regression\ntrain: ${train}\nrank: 4\n`);

/** Looks at what is in the folder, as a comparison does before it begins, and keeps what is asked for. */
async function asked(flags: ComparisonSettings): Promise<Cell[]> {
  const spec = readSpec({ seeds: [0], ...flags }, file);
  const beside = await otherFinishedCells(spec, comparedRunsIn(spec.output), facts);
  await checkStarted(spec.output, beside, tunedKeys(spec.tuning));
  const cells = (await Promise.all(pairsOf(spec).map((pair) => finalCells(spec, pair, facts)))).flat();
  mkdirSync(spec.output, { recursive: true });
  await savePlan(spec.output, cells);
  return cells;
}

function begin({ folder, settings }: Cell, change: object = {}): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, MARKER), "");
  writeFileSync(join(folder, RUN_FILE), renderRunYaml(resolveRun({ ...settings, output: folder, ...change })));
}

describe("existing runs of a comparison", () => {
  it("are combined only with other methods and seeds of the same settings", async () => {
    const output = fresh();
    for (const cell of await asked({ methods: ["lora", "lora+es"], output })) begin(cell);
    for (const cell of await asked({ methods: ["dora"], seeds: [1], output })) begin(cell);
    // The rank says nothing in full fine-tuning; of a method's own settings others need not have any.
    await asked({ methods: ["full"], output });
    const other = /regression\/\S+\/seed-\d was started with other settings or data \(epochs not set, now 9\)/;
    await expect(asked({ methods: ["bidora"], epochs: 9, output })).rejects.toThrow(other);
    await expect(asked({ methods: ["lora"], seeds: [5], epochs: 9, output })).rejects.toThrow(other);
    writeFileSync(train, "{} \n");
    await expect(asked({ methods: ["bidora"], output })).rejects.toThrow(`the content of ${train}`);
    writeFileSync(train, "{}\n");
    writeFileSync(join(model, "config.json"), "{ }");
    await expect(asked({ methods: ["bidora"], output })).rejects.toThrow(
      `the content of ${join(model, "config.json")}`,
    );
    writeFileSync(join(model, "config.json"), "{}");
    await expect(asked({ methods: ["bidora"], output })).resolves.toHaveLength(1);
  });

  it("must have had the same rows in the upper level's own file", async () => {
    const upperTrain = write("upper.jsonl", "{}\n");
    const flags = { methods: ["bidora"], upperTrain, output: fresh() };
    for (const cell of await asked(flags)) begin(cell);
    writeFileSync(upperTrain, "{} \n");
    await expect(asked(flags)).rejects.toThrow(`the content of ${upperTrain}`);
  });

  it("must have been trained on the same contents of linked folders", async () => {
    const [output, model, kept] = [fresh(), fresh("linked"), write("config.json", "{}")];
    mkdirSync(model);
    symlinkSync(kept, join(model, "config.json"));
    for (const cell of await asked({ methods: ["lora"], model, output })) begin(cell);
    writeFileSync(kept, "{ }");
    await expect(asked({ methods: ["lora"], model, output })).rejects.toThrow(
      `the content of ${join(model, "config.json")}`,
    );
  });

  it("may differ in settings that a grid chooses", async () => {
    const output = fresh();
    for (const cell of await asked({ methods: ["lora"], learningRate: 0.5, output })) begin(cell);
    await asked({ methods: ["dora"], grid: ["learningRate=0.1,0.2"], output });
    await expect(asked({ methods: ["full"], output })).rejects.toThrow("learningRate 0.5, now not set");
  });

  it("must have been started by this comparison", async () => {
    const output = fresh();
    const [lora] = await asked({ methods: ["lora"], output });
    begin(lora!);
    begin({ ...lora!, folder: join(output, "regression/dora/seed-0") });
    const strange = /dora\/seed-0 is not a run of this comparison \(this comparison did not start it\)/;
    await expect(asked({ methods: ["lora", "dora"], output })).rejects.toThrow(strange);
    await expect(asked({ methods: ["lora"], output })).rejects.toThrow(strange);
  });

  it("must not have replaced one another", async () => {
    const output = fresh();
    const [lora] = await asked({ methods: ["lora"], output });
    begin(lora!, { threads: 7, saveEvery: 3 });
    await expect(asked({ methods: ["lora"], output })).resolves.toHaveLength(1);
    begin(lora!, { learningRate: 0.25 });
    await expect(asked({ methods: ["lora"], output })).rejects.toThrow("has learningRate 0.25, the plan has 0.001");
    begin(lora!, { rank: 8 });
    await expect(asked({ methods: ["lora"], output })).rejects.toThrow(
      /lora\/seed-0 is not a run of .* \(its run\.yaml has rank 8, the plan has 4\): move it away/,
    );
    begin(lora!, { seed: 3 });
    await expect(asked({ methods: ["lora"], output })).rejects.toThrow("has seed 3, the plan has 0");
  });

  it("are collected only if they match the plan", async () => {
    const output = fresh();
    const [lora] = await asked({ methods: ["lora"], output });
    begin(lora!);
    refuseForeignRuns(output, comparedRunsIn(output));
    begin(lora!, { seed: 3 });
    expect(() => refuseForeignRuns(output, comparedRunsIn(output))).toThrow("has seed 3, the plan has 0");
    begin(lora!);
    begin({ ...lora!, folder: join(output, "regression/dora/seed-0") });
    expect(() => refuseForeignRuns(output, comparedRunsIn(output))).toThrow("this comparison did not start it");
    rmSync(join(output, PLAN));
    refuseForeignRuns(output, comparedRunsIn(output));
  });
});
