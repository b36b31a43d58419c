// Checks that something fits in memory before it is allocated.
import { totalmem } from "node:os";
import { BidoraError } from "../common/errors.js";
import { deviceMemory } from "./devices.js";

/** The memory that something is to be allocated in. */
interface Place {
  /** By default the CPU. */
  readonly device?: string | undefined;
  /** Free bytes, if fewer than there are in all. */
  readonly free?: number | undefined;
}

/**
 * Checks a size before allocating it.
 * @param what the subject of the error message @param advice what to do about it
 * @throws BidoraError `MEMORY` if the size exceeds the memory of the machine or the device, or what is free of it
 */
export function requireMemory(bytes: number, what: string, advice: string, { device = "cpu", free }: Place = {}): void {
  if (fitsInMemory(bytes, { device, free })) return;
  const limit = limitOf(device);
  const owner = device === "cpu" ? "this machine" : device;
  const has = bytes > limit ? `${owner} has ${gigabytes(limit)}` : `${gigabytes(free ?? limit)} are available`;
  throw new BidoraError("MEMORY", `${what} takes ${gigabytes(bytes)} of memory, but ${has}: ${advice}.`);
}

/** Whether a size is within the memory of the machine or the device, and what is free of it. */
export function fitsInMemory(bytes: number, { device = "cpu", free }: Place): boolean {
  const limit = limitOf(device);
  return bytes <= Math.min(limit, free ?? limit);
}

const limitOf = (device: string): number =>
  device === "cpu" ? memoryLimit() : (deviceMemory(device)?.total ?? Number.POSITIVE_INFINITY);

/** The memory available to this process: the machine's, or less in a container. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString("en", { maximumSignificantDigits: 3 })} GB`;
}
