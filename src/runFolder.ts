import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isTemporary, sweepTemporary, writeFileAtomic } from "./io/atomic.js";
import { readJsonObject } from "./io/json.js";
import { freeOutput } from "./outputFolder.js";
import { newestCheckpoint } from "./train/checkpoints.js";
import type { Metrics } from "./train/events.js";

export const EVENTS = "events.jsonl";
export const RUN_FILE = "run.yaml";
const METRICS = "metrics.json";

/** How a run meets its output folder. */
export type FolderState = "fresh" | "resumable" | "finished";

/**
 * Looks at the output folder before anything is computed; nothing is created or removed yet.
 * @param inputs files and folders that the run reads, which `--overwrite` must not remove
 * @throws BidoraError `OUTPUT_IN_USE` when something is there that neither `--resume` nor `--overwrite` was given for
 */
export function inspectOutput(
  folder: string,
  options: { readonly resume: boolean; readonly overwrite: boolean },
  inputs: readonly string[],
): FolderState {
  const isRun = options.resume && isRunFolder(folder);
  if (isRun && existsSync(join(folder, METRICS))) return "finished";
  if (isRun && newestCheckpoint(folder) !== undefined) return "resumable";
  freeOutput(folder, options.overwrite || isRun, inputs);
  return "fresh";
}

/** A killed run may have left any of these alone. */
function isRunFolder(folder: string): boolean {
  const isLeft = (name: string) =>
    [EVENTS, RUN_FILE].includes(name) || name.startsWith("checkpoint-") || isTemporary(name);
  return existsSync(folder) && statSync(folder).isDirectory() && readdirSync(folder).some(isLeft);
}

/** Makes the folder ready to be written to: empty for a fresh run, without a killed run's temporary files else. */
export function prepareOutput(folder: string, isFresh: boolean): void {
  if (isFresh) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  sweepTemporary(folder);
}

export function copyFiles(names: readonly string[], from: string, to: string): void {
  for (const name of names) writeFileAtomic(join(to, name), readFileSync(join(from, name)));
}

/** The last file that a run writes: what says that it has ended. */
export function writeMetrics(folder: string, metrics: Metrics): void {
  writeFileAtomic(join(folder, METRICS), `${JSON.stringify(metrics, undefined, 2)}\n`);
}

export function readMetrics(folder: string): Metrics {
  return readJsonObject(join(folder, METRICS)) as Metrics;
}
