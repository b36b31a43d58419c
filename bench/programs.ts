import { fileURLToPath } from "node:url";
import type { Program } from "./turns/workerProcess.js";

/** The repository's root, relative to the compiled files in build/bench/bench. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const PEERS = `${ROOT}bench/peers`;

export function ownWorker(): Program {
  return { command: process.execPath, args: [fileURLToPath(new URL("worker/main.js", import.meta.url))] };
}

export function peftWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/peft_worker.py`] };
}

/** sentence-transformers' losses and pooling. */
export function embeddingWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/embedding_worker.py`] };
}

/** TRL's DPO. */
export function preferenceWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/preference_worker.py`] };
}

/** sentence-transformers' `encode`. */
export function encodeWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/encode_worker.py`] };
}

/** transformers' `generate`. */
export function generateWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/generate_worker.py`] };
}

/** llama.cpp as built for this processor. */
export function llamaCppWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/llama_cpp_worker.py`] };
}

/** llama.cpp as node-llama-cpp ships it. */
export function nodeLlamaCppWorker(): Program {
  return { command: process.execPath, args: [fileURLToPath(new URL("peers/llamaCpp.js", import.meta.url))] };
}

export function publishedWorker(python: string): Program {
  return { command: python, args: [`${PEERS}/published_bidora.py`] };
}

export function peerScript(python: string, script: string, args: readonly string[]): Program {
  return { command: python, args: [`${PEERS}/${script}`, ...args] };
}

/**
 * Environment variables that would slow a side down: they pin BLAS to an older processor or limit the threads. They are removed
 * for all sides.
 */
const PINNED = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"];

/** Removes them from this process's environment, which workers inherit; returns the removed names. */
export function unpinEnvironment(): string[] {
  const found = PINNED.filter((name) => process.env[name] !== undefined);
  for (const name of found) delete process.env[name];
  return found;
}
