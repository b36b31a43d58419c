// Limits of this machine and process: address space, threads and memory.
import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { BidoraError, UsageError } from "../common/errors.js";

/** Bytes that libtorch maps beside Node, and that each of its threads takes, rounded up: 1.0 GB and 139 MB were measured. */
const LIBRARY_BYTES = 1.2e9;
const THREAD_BYTES = 0.15e9;

/** The limit of `ulimit -v` in bytes; infinite where there is none, or none that can be read. */
function addressSpaceLimit(): number {
  const soft = read("/proc/self/limits").match(/^Max address space\s+(\d+)/m)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

export const isAddressSpaceLimited = (): boolean => addressSpaceLimit() !== Number.POSITIVE_INFINITY;

/** What is wrong with the address space for libtorch on so many threads; undefined when it is large enough. */
export function addressSpaceProblem(threads: number): BidoraError | undefined {
  const available = addressSpaceLimit();
  const needed = mapped() + LIBRARY_BYTES + THREAD_BYTES * threads;
  if (available >= needed) return undefined;
  return new BidoraError(
    "ADDRESS_SPACE",
    `The address space is limited to ${tenths(available)} GB (ulimit -v), and libtorch on ${threads} threads takes ${tenths(needed)} GB before any model: raise the limit (ulimit -v unlimited), or take fewer threads (OMP_NUM_THREADS).`,
  );
}

/** Bytes that this process has mapped: nearly all by Node. */
const mapped = (): number => 1024 * Number(read("/proc/self/status").match(/^VmSize:\s+(\d+)/m)?.[1] ?? 0);

const tenths = (bytes: number): string => (bytes / 1e9).toFixed(1);

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** More threads than processors only wait for each other; thousands of them never finish. */
const MOST_THREADS = Math.max(16, 4 * availableParallelism());

/** The environment variables that libtorch and the libraries below it take their number of threads from. */
const THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/** Why `source` may not ask for this number of threads; undefined when it may. */
export function threadsProblem(source: string, threads: number): UsageError | undefined {
  if (!(threads > MOST_THREADS)) return undefined;
  return new UsageError(`${source}: expected at most ${MOST_THREADS} threads on ${processors()}, got ${threads}.`);
}

function processors(): string {
  const count = availableParallelism();
  return count === 1 ? "1 processor" : `${count} processors`;
}

/** The first environment variable that asks for too many threads. */
export function environmentThreadsProblem(): UsageError | undefined {
  return THREAD_VARIABLES.map((name) => threadsProblem(name, threadsFrom(name) ?? 0)).find(
    (problem) => problem !== undefined,
  );
}

/** The number of threads that libtorch starts with. */
export const initialThreads = (): number => threadsFrom("OMP_NUM_THREADS") ?? availableParallelism();

/** OpenMP takes a list, of which the first number applies here. */
function threadsFrom(name: string): number | undefined {
  const number = Number.parseInt(process.env[name] ?? "", 10);
  return number > 0 ? number : undefined;
}

/** The most memory that this process may use: the machine's, or less in a container. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * Checks a size before anything of it is allocated.
 * @param what the subject of the sentence @param advice what to do about it
 * @param available bytes that are free, where that is less than all
 * @throws BidoraError `MEMORY` for more than the machine has, or than is available
 */
export function requireMemory(bytes: number, what: string, advice: string, available?: number): void {
  const limit = memoryLimit();
  if (bytes <= Math.min(limit, available ?? limit)) return;
  const has = bytes > limit ? `this machine has ${gigabytes(limit)}` : `${gigabytes(available ?? limit)} are available`;
  throw new BidoraError("MEMORY", `${what} takes ${gigabytes(bytes)} of memory, but ${has}: ${advice}.`);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString("en", { maximumSignificantDigits: 3 })} GB`;
}
