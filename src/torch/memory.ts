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
 * @throws BidoraError `MEMORY` for more than the machine has
 */
export function requireMemory(bytes: number, what: string, advice: string): void {
  const limit = memoryLimit();
  if (bytes <= limit) return;
  throw new BidoraError(
    "MEMORY",
    `${what} takes ${gigabytes(bytes)} of memory, but this machine has ${gigabytes(limit)}: ${advice}.`,
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString("en", { maximumSignificantDigits: 3 })} GB`;
}
