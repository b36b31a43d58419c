// `npm run bench -- estimate`: the memory, step time and total time that `estimate` predicts, compared with what the runs took.
import { fork } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { quickstartModel } from "../src/app/quickstart/models.js";
import type { Method, RunSettings } from "../src/tasks/config/index.js";
import { namedDatasets } from "../src/tasks/datasets/index.js";
import { machine } from "./machine.js";
import { ROOT, unpinEnvironment } from "./programs.js";
import { writePlainModel } from "./setup/plainModel.js";
import { scratchFolder } from "./setup/scratch.js";
import { median } from "./turns/compare.js";
import type { Figures } from "./worker/estimate.js";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "minilm,bert,gpt2" },
    methods: { type: "string", default: "full,lora,dora,bidora" },
    batches: { type: "string", default: "4,16,32" },
    accumulation: { type: "string", default: "1" },
    rounds: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
    clock: { type: "string", default: "wall" },
    data: { type: "string", default: join(ROOT, "..", "shared", "data") },
    output: { type: "string", default: join(ROOT, "bench", "results", "estimate") },
  },
});

/** Training and validation rows: enough for a measurable run, few enough to wait for. */
const TRAIN = 1000;
const VALIDATION = 64;

interface Subject {
  readonly model: string;
  readonly task: "sequence-classification" | "causal-lm";
  readonly steps: number;
}

const tell = (text: string) => process.stderr.write(`${text}\n`);

async function writeRows(folder: string): Promise<void> {
  const { examples } = await namedDatasets["glue/mrpc"].load(join(values.data, "glue", "MRPC"), "train");
  const labeled = examples.map(({ input, label }) => {
    const [sentence1, sentence2] = input as readonly string[];
    return { sentence1, sentence2, label };
  });
  const texts = labeled.map(({ sentence1, sentence2 }) => ({ text: `${sentence1} ${sentence2}` }));
  const write = (name: string, rows: readonly unknown[]) =>
    writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  for (const [kind, rows] of Object.entries({ pairs: labeled, texts })) {
    write(`${kind}-train.jsonl`, rows.slice(0, TRAIN));
    write(`${kind}-validation.jsonl`, rows.slice(TRAIN, TRAIN + VALIDATION));
  }
}

async function subjects(folder: string): Promise<Record<string, Subject>> {
  const minilm = await quickstartModel();
  const encoder = new Map(["tokenizer.json", "tokenizer_config.json"].map((name) => [name, join(minilm, name)]));
  const gpt2 = new Map([
    ["vocab.json", join(values.data, "tokenizers", "gpt2", "encoder.json")],
    ["merges.txt", join(values.data, "tokenizers", "gpt2", "vocab.bpe")],
  ]);
  return {
    minilm: { model: minilm, task: "sequence-classification", steps: 20 },
    bert: { model: writePlainModel(join(folder, "bert"), "bert", encoder), task: "sequence-classification", steps: 6 },
    gpt2: { model: writePlainModel(join(folder, "gpt2"), "gpt2", gpt2), task: "causal-lm", steps: 6 },
  };
}

/** Estimates or runs in a child process, and returns its figures. */
function ask(job: "estimate" | "run", settings: RunSettings): Promise<Figures & { readonly took: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const worker = fileURLToPath(new URL("worker/estimate.js", import.meta.url));
    const child = fork(worker, [], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.on("message", (figures: Figures) => resolve({ ...figures, took: (performance.now() - began) / 1000 }));
    child.on("exit", (status) => reject(new Error(`${job} ended with status ${status}.`)));
    child.send({ job, settings, clock: values.clock });
  });
}

/** Each batch size with each number of accumulation steps. */
function batchesOf({ batches, accumulation }: { readonly batches: string; readonly accumulation: string }) {
  const sizes = batches.split(",").map(Number);
  return accumulation.split(",").flatMap((count) => sizes.map((size) => ({ size, count: Number(count) })));
}

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const ratioOf = (a: number, b: number) => (a / b).toFixed(2);

const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
await writeRows(scratch);
const known = await subjects(scratch);
const results: { row: string; model: string; memory: number; step: number; whole: number; took: number }[] = [];
const lines = [
  "| Model | Method | Batch | Memory: estimate | run | ratio | Step: estimate | run | ratio | All: estimate | run | ratio |",
  "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
];

for (let round = 0; round < Number(values.rounds); round++)
  for (const name of values.models.split(","))
    for (const method of values.methods.split(","))
      for (const batch of batchesOf(values)) {
        const { model, task, steps } = known[name] as Subject;
        const rows = task === "causal-lm" ? "texts" : "pairs";
        const count = method === "bidora" ? Math.ceil(steps / 2) : steps;
        const settings = {
          model,
          task,
          train: join(scratch, `${rows}-train.jsonl`),
          validation: join(scratch, `${rows}-validation.jsonl`),
          method: method as Method,
          batchSize: batch.size,
          gradientAccumulation: batch.count,
          maxSteps: count,
          threads: Number(values.threads),
          output: join(scratch, "run"),
          overwrite: true,
        } as const;
        const predicted = await ask("estimate", settings);
        const actual = await ask("run", settings);
        const ratios = {
          memory: predicted.memory / actual.memory,
          step: predicted.step / actual.step,
          whole: predicted.whole / actual.whole,
        };
        const row = [
          name,
          method,
          batch.count > 1 ? `${batch.count} × ${batch.size}` : String(batch.size),
          mebibytes(predicted.memory),
          mebibytes(actual.memory),
          ratioOf(predicted.memory, actual.memory),
          `${predicted.step.toFixed(2)} s`,
          `${actual.step.toFixed(2)} s`,
          ratioOf(predicted.step, actual.step),
          `${predicted.whole.toFixed(1)} s`,
          `${actual.whole.toFixed(1)} s`,
          ratioOf(predicted.whole, actual.whole),
        ];
        lines.push(`| ${row.join(" | ")} |`);
        results.push({ row: row.slice(0, 3).join(" "), model: name, ...ratios, took: predicted.took });
        tell(`${lines.at(-1)} estimated in ${predicted.took.toFixed(1)} s`);
      }

const summary = (["memory", "step", "whole"] as const).map((key) => {
  const ratios = results.map((result) => result[key]);
  const most = key === "memory" ? 1.15 : 1.3;
  const within = ratios.filter((ratio) => ratio <= most && ratio >= 2 - most).length;
  return `${key}: median of ratios ${median(ratios).toFixed(2)}, ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}; ${within} of ${ratios.length} within ${Math.round(100 * (most - 1))} %`;
});
const slowest = Math.max(...results.map(({ took }) => took));
const page = [
  ...lines,
  "",
  ...summary.map((line) => `- ${line}`),
  `- slowest estimate: ${slowest.toFixed(1)} s`,
  "",
].join("\n");
mkdirSync(values.output, { recursive: true });
writeFileSync(join(values.output, "estimate.md"), page);
writeFileSync(join(values.output, "estimate.json"), `${JSON.stringify({ machine: facts, results }, undefined, 2)}\n`);
process.stdout.write(page);
