import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { finalCells, pairsOf } from "../../../src/studies/comparison/plan/cells.js";
import { reportedRows } from "../../../src/studies/comparison/plan/checkTasks.js";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { resolveRun } from "../../../src/tasks/config/index.js";
import { fresh } from "../../e2e/support.js";
import { expectEffects } from "./effects.js";

const folder = fileURLToPath(new URL("../../../examples/paper/", import.meta.url));
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

/** Settings of BiDoRA's runs, by task. */
const bidoraRuns = async (name: string) => {
  const spec = readSpec({}, join(folder, name));
  const facts = {
    rowsOf: async () => 10_000,
    upperRowsOf: async () => undefined,
    stepsOf: async () => 1000,
    secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
  };
  const pairs = pairsOf(spec).filter(({ variant }) => variant.name === "bidora");
  const cells = await Promise.all(pairs.map((pair) => finalCells(spec, pair, facts)));
  return cells.map(([cell]) => ({ task: cell!.settings.task as string, run: resolveRun(cell!.settings) }));
};

describe.each(files)("BiDoRA in %s", (name) => {
  it("has the paper's axis, optimizer, schedule and search", async () => {
    for (const { task, run } of await bidoraRuns(name)) {
      expect(run, task).toMatchObject({
        ...{ magnitudeAxis: "in", regularizer: 1e-5, searchFraction: 0.8, unrollSteps: 1, xi: "learning-rate" },
        ...{
          optimizer: "adamw",
          adamBeta1: 0.9,
          adamBeta2: 0.98,
          adamEpsilon: 1e-6,
          schedule: "linear",
          warmupRatio: 0.1,
        },
        ...{ weightDecay: task === "glue/sst2" ? 0.12 : 0.1, upperWeightDecay: 0, maxLength: 512 },
        ...(name.startsWith("e2e") ? {} : { batchSize: 32 }),
      });
      expect(run.upperLearningRate ?? run.learningRate, task).toBe(run.learningRate);
      const targets = name.startsWith("e2e")
        ? ["c_attn"]
        : name.startsWith("deberta")
          ? ["query_proj", "value_proj"]
          : ["query", "value"];
      expect(run, task).toMatchObject({ targetModules: targets });
    }
  });
});

it("BiDoRA has the paper's ranks, rates and steps on GLUE", async () => {
  const rows = (await bidoraRuns("roberta-base-glue.yaml")).map(({ task, run }) => [
    ...[task, run.rank, run.alpha, run.learningRate, run.maxSteps, run.retrainLearningRate, run.retrainSteps],
  ]);
  expect(rows.filter(([task]) => task !== "glue/qnli" && task !== "glue/qqp")).toEqual([
    ["glue/cola", 4, 8, 5e-5, 20_000, 3e-5, 30_000],
    ["glue/mrpc", 4, 8, 2e-5, 28_000, 2e-5, 28_000],
    ["glue/rte", 4, 8, 1e-5, 15_000, 3e-5, 15_000],
    ["glue/stsb", 4, 8, 1e-5, 12_000, 1e-5, 12_000],
    ["glue/sst2", 4, 8, 1e-5, 12_000, 1e-5, 12_000],
    ["glue/mnli", 4, 8, 5e-5, 30_000, 7e-5, 40_000],
  ]);
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
