// Information about the engine and the processor, and what `doctor` reports: where libtorch was looked for, what is in use, its measured
// speed, and what needs fixing.
import { readFileSync, realpathSync } from "node:fs";
import { BidoraError, setupCommandLine } from "../base/index.js";
import type { DType } from "./dtype.js";
import { mm, ones } from "./generated/operators.js";
import { isOutdated } from "./installations/builds.js";
import { type EnginePlace, engineInUse, enginePlaces } from "./installations/index.js";
import type { EngineFacts } from "./native/interface.js";
import { addressSpaceProblem, threadsProblem } from "./native/limits.js";
import { native } from "./native/native.js";
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

/** Refuses more threads than this machine or process can have, without libtorch. */
export function checkThreads(threads: number): void {
  const problem = threadsProblem("threads", threads) ?? addressSpaceProblem(threads);
  if (problem) throw problem;
}

/** Sets the number of threads that operators use. */
export function setThreads(threads: number): void {
  checkThreads(threads);
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

/** A place where libtorch may be, as `diagnose` reports it. */
export interface FoundEngine {
  readonly source: EnginePlace["source"];
  readonly folder: string;
  readonly libtorch: string | undefined;
  readonly bytes: number | undefined;
  readonly inUse: boolean;
  /** Why it is not used; undefined for the one in use, and for those that come after it. */
  readonly problem: string | undefined;
}

/** What `diagnose` finds out about the engine in use. */
export type EngineDetails = EngineFacts & {
  readonly fastBfloat16: boolean;
  /** Measured speed of a matrix product, in 10^9 operations per second. */
  readonly gigaflops: { readonly float32: number; readonly bfloat16: number };
};

/** The findings of `diagnose`. Without an engine that can be used there are no details, and a problem says why. */
export type Diagnosis = Partial<EngineDetails> & {
  /** All places where libtorch was looked for, in order. */
  readonly engines: readonly FoundEngine[];
  /** Problems to fix, one sentence each. */
  readonly problems: readonly string[];
};

const MEASURED_SIZE = 512;
const MEASURE_MS = 150;

/** Reports the engines that were found, and the versions, speed and problems of the one in use. Takes half a second. */
export function diagnose(): Diagnosis {
  const found = { engines: foundEngines() };
  try {
    const details = measured(engineFacts());
    const problems = [blasWarning(details), outdatedWarning()].filter((problem) => problem !== undefined);
    return { ...found, ...details, problems };
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    return { ...found, problems: [error.message] };
  }
}

function foundEngines(): FoundEngine[] {
  const { source, problem } = engineInUse();
  return enginePlaces().map((engine) => ({
    ...engine,
    inUse: engine.source === source && problem === undefined,
    problem: engine.problem?.message,
  }));
}

const measured = (facts: EngineFacts): EngineDetails => ({
  ...facts,
  fastBfloat16: hasFastBfloat16(),
  gigaflops: { float32: measure("float32"), bfloat16: measure("bfloat16") },
});

/** In a clone, an addon stays in use until the next build. */
function outdatedWarning(): string | undefined {
  const { source, folder } = engineInUse();
  if (source === "platform package" || !isOutdated(folder)) return undefined;
  return `The addon in ${folder} was built from other native sources than those here: run \`${setupCommandLine()}\`.`;
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
