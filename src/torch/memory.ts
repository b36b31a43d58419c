import { totalmem } from "node:os";
import { BidoraError } from "../common/errors.js";

/** What this process may have at most: the machine's memory, or less in a container. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/**
 * Judges a size before anything of it is allocated.
 * @param what the subject of the sentence @param advice what to do about it
 * @param available bytes that are there to be had, where less than all is
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
