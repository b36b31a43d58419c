// `npm run bench -- long`: runs of many steps. The memory, the time of a step and of a checkpoint, the time for a report and the start of a
// resumed run must not grow with the number of steps.
import { fork } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { quantileSorted } from "d3-array";
import type { Method, RunSettings } from "../src/tasks/config/index.js";
import { GOLDEN } from "../test/support/golden.js";
import { machine } from "./machine.js";
import { ROOT, unpinEnvironment } from "./programs.js";
import { scratchFolder } from "./setup/scratch.js";
import type { Job, StepCost } from "./worker/long.js";

const { values } = parseArgs({
  options: {
    methods: { type: "string", default: "lora,bidora" },
    steps: { type: "string", default: "20000" },
    output: { type: "string", default: join(ROOT, "bench", "results", "long") },
  },
});

const STEPS = Number(values.steps);
/** Steps between two evaluations and checkpoints. */
const EVERY = 250;
/** The most that memory and times may grow, and the most seconds for a report. */
const GOALS = { growth: 0.05, reportSeconds: 2 } as const;

const settingsOf = (method: Method, model: string, output: string): RunSettings => ({
  model,
  train: join(GOLDEN, "rows", "train.jsonl"),
  validation: join(GOLDEN, "rows", "train.jsonl"),
  batchSize: 4,
  learningRate: 1e-4,
  maxSteps: method === "bidora" ? STEPS / 2 : STEPS,
  method,
  threads: 1,
  evalEvery: EVERY,
  saveEvery: EVERY,
  log: ["tensorboard"],
  output,
});

/** A model with dropout and a single layer: what is measured is bidora's own work, not the products. */
function writeModel(folder: string): string {
  cpSync(join(GOLDEN, "bert", "dropout"), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 1 }));
  return folder;
}

/** A job in a process of its own: a run or a part of it, or the report of a folder. */
function ask(job: Job): Promise<StepCost[]>;
function ask(job: string): Promise<number>;
function ask(job: Job | string): Promise<StepCost[] | number> {
  return new Promise((resolve, reject) => {
    const worker = fileURLToPath(new URL("worker/long.js", import.meta.url));
    const child = fork(worker, [], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.on("message", (result: StepCost[] | number) => resolve(result));
    child.on("exit", (status) => reject(new Error(`A worker ended with status ${status}.`)));
    child.send(job);
  });
}

/** A lower quartile, which other processes of the machine disturb the least. */
const typical = (list: readonly number[]): number =>
  quantileSorted(
    [...list].sort((a, b) => a - b),
    0.25,
  ) as number;

interface Growth {
  readonly typical: number;
  /** How much the last quarter of a phase is above its second one. */
  readonly growth: number;
}

function growthOf(list: readonly number[]): Growth {
  const quarter = Math.floor(list.length / 4);
  const growth = typical(list.slice(-quarter)) / typical(list.slice(quarter, 2 * quarter)) - 1;
  return { typical: typical(list), growth };
}

function figuresOf(costs: readonly StepCost[]) {
  const [, ...later] = costs;
  const afterSave = later.filter(({ step }) => step % EVERY === 1);
  const plain = later.filter(({ step }) => step % EVERY !== 1);
  return {
    step: growthOf(plain.map(({ cpu }) => cpu)),
    save: growthOf(afterSave.map(({ cpu }) => cpu)),
    memory: growthOf(later.map(({ residentBytes }) => residentBytes)),
  };
}

const logOf = (folder: string): string => readFileSync(join(folder, "events.jsonl"), "utf8");

/** The log must have every step once and in order, and nothing that is not an event. */
function checkLog(folder: string): void {
  const lines = logOf(folder).split("\n").slice(0, -1);
  const events = lines.map((line) => JSON.parse(line) as { event: string; step: number });
  const steps = events.filter(({ event }) => event === "step");
  if (steps.length !== STEPS || steps.some(({ step }, i) => step !== i + 1)) throw new Error("The log lacks steps.");
}

/** The run's folder as it was when the checkpoint of a step had been saved. */
function rewind(folder: string, step: number, output: string): void {
  cpSync(folder, output, { recursive: true, filter: (path) => !/checkpoint-\d+$|metrics\.json$/.test(path) });
  cpSync(join(folder, `checkpoint-${step}`), join(output, `checkpoint-${step}`), { recursive: true });
  const lines = logOf(folder).split("\n");
  const end = lines.findIndex((line) => line.includes(`"step":${step + 1},`));
  writeFileSync(join(output, "events.jsonl"), `${lines.slice(0, end).join("\n")}\n`);
}

/** The processor time until the first step after a resume from the checkpoint of a step: the least of three. */
async function resumeSeconds(settings: RunSettings, folder: string, step: number): Promise<number> {
  const output = `${folder}-resumed`;
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    rewind(folder, step, output);
    const [first] = await ask({ settings: { ...settings, output, resume: true }, stopAfter: 1 });
    times.push((first as StepCost).cpu);
    rmSync(output, { recursive: true });
  }
  return Math.min(...times);
}

const tell = (text: string) => process.stdout.write(`${text}\n`);
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const told = ({ typical, growth }: Growth, scale: number, unit: string) =>
  `${(typical / scale).toFixed(unit === "MiB" ? 0 : 2)} ${unit} (${percent(growth)})`;

const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
const model = writeModel(join(scratch, "model"));
const results: Record<string, object> = {};
const exceeded: string[] = [];

for (const method of values.methods.split(",") as Method[]) {
  const output = join(scratch, method);
  const settings = settingsOf(method, model, output);
  const costs = await ask({ settings });
  checkLog(output);
  for (const phase of new Set(costs.map((cost) => cost.phase))) {
    const figures = figuresOf(costs.filter((cost) => cost.phase === phase));
    results[`${method}, ${phase}`] = figures;
    const { step, save, memory } = figures;
    tell(
      `${method}, ${phase}: step ${told(step, 1e-3, "ms")}, evaluation and checkpoint ${told(save, 1e-3, "ms")}, memory ${told(memory, 2 ** 20, "MiB")}`,
    );
    for (const [what, { growth }] of Object.entries(figures))
      if (growth > GOALS.growth) exceeded.push(`${what} of ${method} in ${phase}`);
  }
  const log = statSync(join(output, "events.jsonl")).size;
  const report = await ask(output);
  if (report > GOALS.reportSeconds) exceeded.push(`report of ${method}`);
  const [first, last] = [
    await resumeSeconds(settings, output, EVERY),
    await resumeSeconds(settings, output, STEPS - EVERY),
  ];
  results[method] = { log, report, page: statSync(join(output, "report.html")).size, resume: { first, last } };
  tell(
    `${method}: log ${(log / 2 ** 20).toFixed(1)} MiB, report in ${report.toFixed(2)} s; resumed from step ${EVERY} the first step is done after ${first.toFixed(2)} s, from step ${STEPS - EVERY} after ${last.toFixed(2)} s`,
  );
}
mkdirSync(values.output, { recursive: true });
writeFileSync(
  join(values.output, "long.json"),
  `${JSON.stringify({ machine: facts, steps: STEPS, results }, undefined, 2)}\n`,
);
tell(exceeded.length === 0 ? "All within the goals." : `Beyond the goals: ${exceeded.join("; ")}.`);
process.exitCode = exceeded.length === 0 ? 0 : 1;
