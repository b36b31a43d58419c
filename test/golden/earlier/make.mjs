// Writes the files beside this script with the built version of bidora, to keep what that version wrote.
// Usage, from the repository's root: OMP_NUM_THREADS=1 node test/golden/earlier/make.mjs
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { analyze, compare, finetune, resolveRun } from "../../../dist/index.js";

const HERE = "test/golden/earlier";

const SETTINGS = {
  model: "test/golden/bert/dropout",
  train: "test/golden/rows/train.jsonl",
  validation: "test/golden/rows/pairs.jsonl",
  test: "test/golden/rows/train.jsonl",
  method: "bidora",
  task: "sequence-classification",
  rank: 2,
  dropout: 0.2,
  maxSteps: 4,
  retrainSteps: 4,
  batchSize: 4,
  learningRate: 1e-2,
  evalEvery: 2,
  seed: 3,
  threads: 1,
  dtype: "float32",
};

/** Runs with SETTINGS; a run that is stopped leaves a checkpoint. @param {string} output @param {object} more @param {number} [stopAfter] */
async function run(output, more, stopAfter) {
  const controller = new AbortController();
  await finetune(resolveRun({ ...SETTINGS, ...more, output: join(HERE, output) }), {
    signal: controller.signal,
    observers: [(event) => event.event === "step" && event.step === stopAfter && controller.abort()],
  });
}

for (const name of ["finished", "stopped", "comparison", "quickstart"]) rmSync(join(HERE, name), { recursive: true, force: true });
await run("finished", { saveEvery: 4 });
await run("stopped", {}, 3);
const { method: _method, maxSteps: _steps, retrainSteps: _retrain, seed: _seed, ...common } = SETTINGS;
await compare({
  ...common,
  maxSteps: 2,
  methods: ["lora", "dora"],
  seeds: [0, 1],
  output: join(HERE, "comparison"),
});
const { data } = await analyze([join(HERE, "finished")]);
writeFileSync(data, readFileSync(data, "utf8").replaceAll(`${process.cwd()}/`, ""));

// As the quickstart wrote it: the folders of runs by method, beside figures that are a list of them.
const compared = JSON.parse(readFileSync(join(HERE, "comparison", "comparison.json"), "utf8"));
const rows = compared.runs.filter(({ seed }) => seed === 0);
for (const { task, method } of rows)
  cpSync(join(HERE, "comparison", task, method, "seed-0"), join(HERE, "quickstart", method), { recursive: true });
writeFileSync(
  join(HERE, "quickstart", "comparison.json"),
  `${JSON.stringify(
    rows.map(({ task: _task, seed: _seed, ...row }) => row),
    undefined,
    2,
  )}\n`,
);

/** What a report and a comparison are made from: the rest of a run's files is large, and is in "finished". */
const OF_COMPARED = ["events.jsonl", "metrics.json", "run.yaml", "bidora.json", ".bidora-run"];
const isKept = (name) =>
  !name.endsWith(".html") &&
  (/^(finished|stopped)/.test(name) ||
    OF_COMPARED.includes(basename(name)) ||
    name.endsWith("predictions.jsonl") ||
    basename(name).startsWith("comparison"));
for (const entry of readdirSync(HERE, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && dirname(path) !== HERE && (!isKept(path.slice(HERE.length + 1)) || /^(comparison|quickstart).*checkpoint-/.test(path.slice(HERE.length + 1))))
    rmSync(path);
}
