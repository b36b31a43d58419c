// Limits of this machine and process: address space and threads.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { BidoraError, formatBytes, UsageError } from "../../base/index.js";

/** Bytes of address space that libtorch and each of its threads take, rounded up from the measured 1.0 GB and 139 MB. */
const LIBRARY_BYTES = 1.2e9;
const THREAD_BYTES = 0.15e9;

/** The limit of `ulimit -v` in bytes; infinite if there is none or it cannot be read. */
function addressSpaceLimit(): number {
  const soft = readOrEmpty("/proc/self/limits").match(/^Max address space\s+(\d+)/m)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

export const isAddressSpaceLimited = (): boolean => addressSpaceLimit() !== Number.POSITIVE_INFINITY;

/** An error if the address space is too small for libtorch with this number of threads; undefined if it is large enough. */
export function addressSpaceProblem(threads: number): BidoraError | undefined {
  const available = addressSpaceLimit();
  const needed = mapped() + LIBRARY_BYTES + THREAD_BYTES * threads;
  if (available >= needed) return undefined;
  return new BidoraError(
    "ADDRESS_SPACE",
    `The address space is limited to ${formatBytes(available)} (ulimit -v), and libtorch on ${threads} threads takes ${formatBytes(needed)} before any model: raise the limit (ulimit -v unlimited), or use fewer threads (OMP_NUM_THREADS).`,
  );
}

/** Bytes of address space that this process has mapped, nearly all of them by Node. */
const mapped = (): number => 1024 * Number(readOrEmpty("/proc/self/status").match(/^VmSize:\s+(\d+)/m)?.[1] ?? 0);

/** A file of /proc or /sys; empty where there is none. */
export function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** More threads than processors only wait for each other; with thousands, a run never finishes. */
const MOST_THREADS = Math.max(16, 4 * availableParallelism());

/** The environment variables that set the number of threads of libtorch and its libraries. */
const THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/** An error if `source` asks for too many threads; otherwise undefined. */
export function threadsProblem(source: string, threads: number): UsageError | undefined {
  if (!(threads > MOST_THREADS)) return undefined;
  return new UsageError(`${source}: expected at most ${MOST_THREADS} threads on ${processors()}, got ${threads}.`);
}

function processors(): string {
  const count = availableParallelism();
  return count === 1 ? "1 processor" : `${count} processors`;
}

/** An error for the first environment variable that asks for too many threads. */
export function environmentThreadsProblem(): UsageError | undefined {
  return THREAD_VARIABLES.map((name) => threadsProblem(name, threadsFrom(name) ?? 0)).find(
    (problem) => problem !== undefined,
  );
}

/** The number of threads that libtorch starts with. */
export const initialThreads = (): number => threadsFrom("OMP_NUM_THREADS") ?? availableParallelism();

/** Reads a thread count; OpenMP allows a list, of which the first number applies here. */
function threadsFrom(name: string): number | undefined {
  const number = Number.parseInt(process.env[name] ?? "", 10);
  return number > 0 ? number : undefined;
}
