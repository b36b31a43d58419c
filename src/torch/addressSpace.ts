import { readFileSync } from "node:fs";
import { BidoraError } from "../common/errors.js";

/** What libtorch maps beside Node, and what each of its threads takes, rounded up: 1.0 GB and 139 MB were measured. */
const LIBRARY_BYTES = 1.2e9;
const THREAD_BYTES = 0.15e9;

/** The limit of `ulimit -v` in bytes; infinite where there is none, or none that can be read. */
function limit(): number {
  const soft = read("/proc/self/limits").match(/^Max address space\s+(\d+)/m)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

export const isAddressSpaceLimited = (): boolean => limit() !== Number.POSITIVE_INFINITY;

/** What is wrong with the address space for libtorch on so many threads; undefined when it is large enough. */
export function addressSpaceProblem(threads: number): BidoraError | undefined {
  const available = limit();
  const needed = mapped() + LIBRARY_BYTES + THREAD_BYTES * threads;
  if (available >= needed) return undefined;
  return new BidoraError(
    "ADDRESS_SPACE",
    `The address space is limited to ${gigabytes(available)} GB (ulimit -v), and libtorch on ${threads} threads takes ${gigabytes(needed)} GB before any model: raise the limit (ulimit -v unlimited), or take fewer threads (OMP_NUM_THREADS).`,
  );
}

/** Bytes that this process has mapped: nearly all are Node's own. */
const mapped = (): number => 1024 * Number(read("/proc/self/status").match(/^VmSize:\s+(\d+)/m)?.[1] ?? 0);

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
