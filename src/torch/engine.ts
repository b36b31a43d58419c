// Information about the engine and the processor.
import { readFileSync, realpathSync } from "node:fs";
import type { DType } from "./dtype.js";
import { addressSpaceProblem, threadsProblem } from "./native/limits.js";
import { type EngineFacts, native } from "./native/native.js";

export type { EngineFacts };

/** Information about the engine: versions, BLAS, oneDNN, threads. */
export function engineFacts(): EngineFacts {
  const facts = native.engineFacts();
  return { ...facts, library: real(facts.library), blasLibrary: real(facts.blasLibrary) };
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** A warning if the BLAS in use is the slow reference BLAS or has its own thread pool; otherwise undefined. */
export function blasWarning(facts: EngineFacts = engineFacts()): string | undefined {
  if (facts.mkl || facts.openblas.includes("USE_OPENMP")) return undefined;
  if (facts.openblas) {
    return `OpenBLAS (${facts.blasLibrary}) does not share libtorch's OpenMP threads and will compete with them: install libopenblas0-openmp.`;
  }
  return `The BLAS in use (${facts.blasLibrary || "unknown"}) is not optimized, which makes float32 about 90 times slower: install libopenblas0-openmp.`;
}

/** The dtypes in which products are faster with a weight packed in oneDNN's layout: none of those for which we have our own products. */
export function packableDtypes(): readonly DType[] {
  const { onednn, ownProducts } = native.engineFacts();
  if (!onednn) return [];
  const packable: readonly DType[] = hasFastBfloat16() ? ["float32", "bfloat16"] : ["float32"];
  return packable.filter((dtype) => !ownProducts.includes(dtype));
}

/** Sets the number of threads that operators use. */
export function setThreads(threads: number): void {
  const problem = threadsProblem("threads", threads) ?? addressSpaceProblem(threads);
  if (problem) throw problem;
  native.setThreads(threads);
}

/**
 * Runs `body`, in which products in bfloat16 with packed weights round their rows to int16, in blocks of 256, and add up whole numbers:
 * several times as fast for few rows, slower for more than about 16, and closer to the exact result, but with other last bits. `body` must
 * be synchronous.
 */
export function withIntegerProducts<T>(body: () => T): T {
  const before = native.allowIntegerProducts(true);
  try {
    return body();
  } finally {
    native.allowIntegerProducts(before);
  }
}

/** Whether the processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX; BF16 on Arm). */
export function hasFastBfloat16(): boolean {
  try {
    return /\b(avx512_bf16|amx_bf16|bf16)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}

/** The compute dtypes that a run can request. */
export const COMPUTE_DTYPES = ["auto", "float32", "bfloat16", "float16"] as const;
/** A dtype that a run can request, or `auto`. */
export type ComputeDtype = (typeof COMPUTE_DTYPES)[number];

/** Resolves `auto`: bfloat16 on CUDA, and on a processor that multiplies it in hardware; otherwise float32. */
export function computeDtype(choice: ComputeDtype, device: string): Exclude<ComputeDtype, "auto"> {
  if (choice !== "auto") return choice;
  const isFast = device === "cpu" ? hasFastBfloat16() : device.startsWith("cuda");
  return isFast ? "bfloat16" : "float32";
}
