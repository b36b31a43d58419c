import { execFile, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "../../src/app/cli/main.js";
import type { Hooks } from "../../src/app/commands/command.js";
import { finetune } from "../../src/app/commands/finetune.js";
import { type EvaluateSettings, evaluate } from "../../src/app/commands/models/evaluate.js";
import { type PredictSettings, predict } from "../../src/app/commands/models/predict.js";
import type { RunEvent } from "../../src/base/records/events.js";
import { MARKER } from "../../src/base/records/names.js";
import type { RunSettings } from "../../src/tasks/config/index.js";
import { GOLDEN } from "../support/golden.js";
import { freshPath } from "../support/workFolder.js";

export { GOLDEN };
export const BERT = join(GOLDEN, "bert");
export const ROWS = join(GOLDEN, "rows");
/** Real data sets beside the repository; tests that need them are skipped where they are not. */
export const DATA = fileURLToPath(new URL("../../../shared/data/", import.meta.url));

export const BIN = fileURLToPath(new URL("../../bin/bidora.js", import.meta.url));
const environment = () => ({ ...process.env, OMP_NUM_THREADS: "1" });

/** A path in the test file's temporary folder where nothing is yet. */
export const fresh = (name = "run"): string => freshPath(name);

export function write(name: string, text: string | Uint8Array): string {
  const folder = fresh("data");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** A comparison's file, on a small checkpoint. @param more further lines */
export const comparisonFile = (...more: readonly string[]): string =>
  write(
    "compare.yaml",
    [
      `model: ${join(BERT, "single")}`,
      "task: sequence-classification",
      `train: ${join(ROWS, "train.jsonl")}`,
      `validation: ${join(ROWS, "pairs.jsonl")}`,
      ...more,
    ].join("\n"),
  );

/** A file of JSON lines. */
export const jsonl = (...rows: readonly unknown[]): string =>
  write("rows.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

/** Runs the command in this process: its exit status, and what it prints. */
export async function bidora(...argv: string[]) {
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  try {
    return { status: await main(argv), stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    stdout.stop();
    stderr.stop();
  }
}

/** Collects what is written to a stream instead of writing it. */
function capture(stream: NodeJS.WriteStream) {
  const original = stream.write;
  let text = "";
  stream.write = (piece: string | Uint8Array, ...rest: unknown[]) => {
    text += piece;
    const done = rest.at(-1);
    if (typeof done === "function") done();
    return true;
  };
  return {
    text: () => text,
    stop: () => {
      stream.write = original;
    },
  };
}

/** Runs the built command in a process of its own. */
export function spawned(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...argv], {
    encoding: "utf8",
    env: environment(),
  });
  return { status, stdout, stderr };
}

/** Starts the command in a process of its own, without waiting for it. */
export function start(...argv: readonly string[]) {
  let done: (code: number | string | null) => void;
  const ended = new Promise<number | string | null>((resolve) => {
    done = resolve;
  });
  const child = execFile(process.execPath, [BIN, ...argv], { env: environment() }, () => {});
  child.on("exit", (code, signal) => done(code ?? signal));
  return { child, ended };
}

/** The settings that most runs here have in common. */
export const SMALL = {
  model: join(BERT, "single"),
  train: join(ROWS, "train.jsonl"),
  maxSteps: 4,
  batchSize: 4,
  learningRate: 1e-2,
} as const satisfies RunSettings;

/** The same model and rows on a command line, with batches of 4. */
export const SMALL_FLAGS = ["--model", SMALL.model, "--train", SMALL.train, "--batch-size", "4"] as const;

/** Notes on what a run has learned: the runs here are too short to learn much. */
const OUTCOME = /^The (model is untrained|model predicts the same|(training|validation|held-out) loss, )/;

/** Runs `finetune` in this process and collects its events and notes, those on what it has learned apart. */
export async function run(settings: RunSettings, options: Omit<Hooks, "onPartial"> = {}) {
  const output = settings.output ?? fresh();
  const events: RunEvent[] = [];
  const notes: string[] = [];
  const outcome: string[] = [];
  const { metrics, isStopped } = await finetune(
    { ...SMALL, ...settings, output },
    {
      ...options,
      observers: [...(options.observers ?? []), (event) => events.push(event)],
      onNote: (line) => (OUTCOME.test(line) ? outcome : notes).push(line),
    },
  );
  return { output, metrics, isStopped, events, notes, outcome };
}

export type PredictedRow = Record<string, unknown> & { logits: number[] };

export const readRows = (path: string): PredictedRow[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as PredictedRow);

/** `predict` in this process. */
export async function predicted(given: PredictSettings): Promise<PredictedRow[]> {
  const output = fresh("out.jsonl");
  const all = { dtype: "float32", ...given, output } as const;
  await predict(all);
  return readRows(output);
}

/** `evaluate` in this process. */
export async function evaluated(given: EvaluateSettings) {
  const all = { dtype: "float32", ...given } as const;
  return (await evaluate(all)).metrics;
}

/** A copy of a golden folder with one of its JSON files changed; undefined takes a key out. */
export function changed(source: string, file: string, change: object): string {
  const folder = fresh("changed");
  cpSync(join(GOLDEN, source), folder, { recursive: true });
  writeFileSync(join(folder, file), JSON.stringify({ ...json(join(folder, file)), ...change }));
  return folder;
}

/** A model with a single layer, for tests of many runs; with dropout unless another one is named. */
export const oneLayer = (model = "bert/dropout"): string => changed(model, "config.json", { num_hidden_layers: 1 });

export const stepsOf = (events: readonly RunEvent[]) => events.filter((event) => event.event === "step");

export const eventsIn = (folder: string): RunEvent[] =>
  readFileSync(join(folder, "events.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as RunEvent);

/** What lies in a folder, beside the mark that a run puts into its own. */
export const list = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name !== MARKER)
        .sort()
    : [];

export const bytes = (folder: string, file = "adapter_model.safetensors"): string =>
  readFileSync(join(folder, file)).toString("base64");

export const json = <T = Record<string, unknown>>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;

/** A signal that is given after a step, as Ctrl-C is. */
export function abortAfter(step: number) {
  const controller = new AbortController();
  const observer = (event: RunEvent): void => {
    if (event.event === "step" && event.step === step) controller.abort();
  };
  return { signal: controller.signal, observers: [observer] };
}
