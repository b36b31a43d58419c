// Commands that are killed at random moments and run again, as after a crash of the machine.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, type WatchListener, watch } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { uniforms } from "../../src/base/seededGenerator.js";

const BIN = fileURLToPath(new URL("../../bin/bidora.js", import.meta.url));
const ENV = { ...process.env, OMP_NUM_THREADS: "1" };

/** How often each command is killed; `npm run test:kills` sets more. */
export const KILLS = Number(process.env.BIDORA_KILLS ?? 2);
/** The seed of all moments. */
export const SEED = Number(process.env.BIDORA_KILLS_SEED ?? 0);

/** Random numbers in [0, 1). */
export type Random = () => number;
export const randomOf = (index: number): Random => uniforms(SEED, index);

/** Waits for the moment to kill: after a time, or when a file appears or grows in a folder. */
export interface Moment {
  readonly name: string;
  wait(folder: string, signal: AbortSignal): Promise<void>;
}

/** @param delay milliseconds after it */
export const afterTime = (delay: number): Moment => ({
  name: `after ${delay.toFixed(0)} ms`,
  wait: (_, signal) => sleep(delay, undefined, { signal }),
});

/** When an entry of the folder, new or changed, meets a condition. */
export const whenFile = (name: string, meets: (file: string, folder: string) => boolean, delay: number): Moment => ({
  name: `${name} + ${delay.toFixed(1)} ms`,
  async wait(folder, signal) {
    await appears(folder, meets, signal);
    await sleep(delay, undefined, { signal });
  },
});

function appears(folder: string, meets: (file: string, folder: string) => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const look: WatchListener<string> = (_, file) => {
      if (file !== null && meets(file, folder)) resolve();
    };
    const watcher = watch(folder, { signal }, look);
    watcher.on("error", reject);
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
}

export const stepsIn = (folder: string): number => {
  const log = join(folder, "events.jsonl");
  return existsSync(log) ? readFileSync(log, "utf8").split('"event":"step"').length - 1 : 0;
};

/** Whether an entry is the temporary name of one with this beginning. */
export const isTemporaryOf = (file: string, name: string): boolean =>
  file.startsWith(`.${name}`) && file.endsWith(".tmp");

/**
 * Runs a command that is killed at the moment.
 * @returns whether it was; otherwise it ended by itself, with status 0
 * @throws Error with what it wrote, if it failed
 */
export async function killed(argv: readonly string[], folder: string, moment: Moment, env = ENV): Promise<boolean> {
  mkdirSync(folder, { recursive: true });
  const waiting = new AbortController();
  const child = spawn(process.execPath, [BIN, ...argv], { env, stdio: ["ignore", "ignore", "pipe"] });
  const stderr = textOf(child);
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  const kill = () => child.kill("SIGKILL");
  const due = moment.wait(folder, waiting.signal).then(kill, () => {});
  const [status, signal] = await ended;
  waiting.abort();
  await due;
  if (signal === "SIGKILL") return true;
  if (status === 0) return false;
  throw new Error(`${argv[0]} ended with ${status ?? signal} after a kill ${moment.name}: ${await stderr}`);
}

async function textOf({ stderr }: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of stderr!.setEncoding("utf8")) text += chunk as string;
  return text;
}

/** Lets a command end without a kill. */
export const finished = (argv: readonly string[], folder: string, env = ENV): Promise<boolean> =>
  killed(argv, folder, { name: "never", wait: (_, signal) => sleep(3_600_000, undefined, { signal }) }, env);

/** The entries of a folder and of the folders in it. */
export const entries = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }).sort() : [];

/** What killed commands left beside the results. The lock of a process that was killed at the very end stays, and stops nobody. */
export const leftovers = (path: string): string[] =>
  [...entries(path), ...readdirSync(dirname(path))].filter((name) => /\.tmp$|\.incomplete$/.test(name));
