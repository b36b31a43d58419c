// Information about the engine and the processor, and their measured speed.
import { readFileSync, realpathSync } from "node:fs";
import type { DType } from "./dtype.js";
import { mm, ones } from "./generated/operators.js";
import { addressSpaceProblem, threadsProblem } from "./limits.js";
import { type EngineFacts, native } from "./native.js";
import { scope } from "./ownership.js";

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

/** Whether the processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX; BF16 on Arm). */
export function hasFastBfloat16(): boolean {
  try {
    return /\b(avx512_bf16|amx_bf16|bf16)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}

/** The compute dtypes that a run can request. */
export const COMPUTE_DTYPES = ["auto", "float32", "bfloat16"] as const;
type ComputeDtype = (typeof COMPUTE_DTYPES)[number];

/** Resolves `auto`: bfloat16 if the processor multiplies it in hardware, otherwise float32. */
export function computeDtype(choice: ComputeDtype): Exclude<ComputeDtype, "auto"> {
  if (choice !== "auto") return choice;
  return hasFastBfloat16() ? "bfloat16" : "float32";
}

/** The findings of `diagnose`. */
export type Diagnosis = EngineFacts & {
  readonly fastBfloat16: boolean;
  /** Measured speed of a matrix product, in 10^9 operations per second. */
  readonly gigaflops: { readonly float32: number; readonly bfloat16: number };
  /** Problems to fix, one sentence each. */
  readonly problems: readonly string[];
};

const MEASURED_SIZE = 512;
const MEASURE_MS = 150;

/** Reports the engine's versions, speed and problems. Takes half a second. */
export function diagnose(): Diagnosis {
  const facts = engineFacts();
  const warning = blasWarning(facts);
  return {
    ...facts,
    fastBfloat16: hasFastBfloat16(),
    gigaflops: { float32: measure("float32"), bfloat16: measure("bfloat16") },
    problems: warning ? [warning] : [],
  };
}

/** The fastest of as many products as fit into the time; slower ones were disturbed by other work. */
function measure(dtype: DType): number {
  return scope(() => {
    const matrix = ones([MEASURED_SIZE, MEASURED_SIZE], { dtype });
    const end = performance.now() + MEASURE_MS;
    let best = Number.POSITIVE_INFINITY;
    do {
      const start = performance.now();
      mm(matrix, matrix).dispose();
      best = Math.min(best, performance.now() - start);
    } while (performance.now() < end);
    return Math.round((2 * MEASURED_SIZE ** 3) / best / 1e6);
  });
}
