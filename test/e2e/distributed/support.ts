import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../../src/app/launcher/launch.js";
import type { RunEvent, StepEvent } from "../../../src/base/records/events.js";
import { flagOf } from "../../../src/base/settings/option.js";
import { BERT, ROWS } from "../support.js";

const BIN = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));

/** Settings of a run that takes a second. */
export const BASE = {
  model: join(BERT, "single"),
  train: join(ROWS, "train.jsonl"),
  task: "sequence-classification",
  method: "lora",
  dtype: "float32",
  learningRate: 1e-2,
  threads: 1,
} as const;

/** The same as flags. */
export const TINY = Object.entries(BASE).flatMap(([key, value]) => [flagOf(key), String(value)]);

/** A process, and what it has printed. */
export interface Printing {
  readonly child: ChildProcess;
  readonly printed: { stdout: string; stderr: string };
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** Starts the built command with variables. */
export function startWith(variables: Readonly<Record<string, string>>, ...words: readonly string[]): Printing {
  const child = spawn(process.execPath, [BIN, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, OMP_NUM_THREADS: "1", ...variables },
  });
  const printed = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text));
  return { child, printed, ended: once(child, "close").then(([code, signal]) => code ?? signal) };
}

/** Starts ranks by torchrun's variables, each with its own words. */
export async function startRanks(...each: readonly (readonly string[])[]): Promise<Printing[]> {
  const shared = { WORLD_SIZE: String(each.length), MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(await freePort()) };
  return each.map((words, rank) => startWith({ ...shared, RANK: String(rank) }, ...words));
}

/** How all of them ended, and what they printed. */
export const ended = (ranks: readonly Printing[]) =>
  Promise.all(ranks.map(async ({ ended, printed }) => ({ status: await ended, ...printed })));

export const eventsIn = (folder: string): RunEvent[] =>
  readFileSync(join(folder, "events.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as RunEvent);

export const lossesIn = (folder: string): number[] =>
  eventsIn(folder)
    .filter((event): event is StepEvent => event.event === "step")
    .map(({ loss }) => loss);
