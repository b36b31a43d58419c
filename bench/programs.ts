import { fileURLToPath } from "node:url";
import type { Program } from "./turns/workerProcess.js";

/** The repository's root, relative to the compiled files in build/bench/bench. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

const PEERS = `${ROOT}bench/peers`;

export function ownWorker(): Program {
  return { command: process.execPath, args: [fileURLToPath(new URL("worker/main.js", import.meta.url))] };
}

/** A program that talks to the benchmarks as our worker does. */
const peer = (script: string) => (python: string) => peerScript(python, script, []);

export const peftWorker = peer("peft_worker.py");
/** sentence-transformers' losses and pooling. */
export const embeddingWorker = peer("embedding_worker.py");
/** TRL's DPO. */
export const preferenceWorker = peer("preference_worker.py");
/** sentence-transformers' `encode`. */
export const encodeWorker = peer("encode_worker.py");
/** transformers' `generate`. */
export const generateWorker = peer("generate_worker.py");
/** llama.cpp as built for this processor. */
export const llamaCppWorker = peer("llama_cpp_worker.py");
export const publishedWorker = peer("published_bidora.py");

/** llama.cpp as node-llama-cpp ships it. */
export function nodeLlamaCppWorker(): Program {
  return { command: process.execPath, args: [fileURLToPath(new URL("peers/llamaCpp.js", import.meta.url))] };
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
