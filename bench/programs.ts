import { fileURLToPath } from "node:url";
import type { Program } from "./workerProcess.js";

/** The repository, seen from the compiled files in build/bench/bench. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const PEERS = `${ROOT}bench/peers`;

export function ownWorker(): Program {
  return { command: process.execPath, args: [fileURLToPath(new URL("worker/main.js", import.meta.url))] };
}

export function peftWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/peft_worker.py`] };
}

/** transformers' `generate`. */
export function generateWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/generate_worker.py`] };
}

export function llamaCppWorker(): Program {
  return { command: process.execPath, args: [fileURLToPath(new URL("peers/llamaCpp.js", import.meta.url))] };
}

export function publishedWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/published_bidora.py`] };
}

export function peerScript(python: string, script: string, args: readonly string[]): Program {
  return { command: python, args: [`${PEERS}/${script}`, ...args] };
}

/**
 * Settings that a workplace makes for other reasons and that slow either side down: a BLAS held to an older processor, and
 * fewer threads. They are taken out for all sides.
 */
const PINNED = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"];

/** Takes them out of this process's environment, which workers inherit; returns their names. */
export function unpinEnvironment(): string[] {
  const found = PINNED.filter((name) => process.env[name] !== undefined);
  for (const name of found) delete process.env[name];
  return found;
}
