import { type Stats, statSync } from "node:fs";
import { BidoraError } from "./errors.js";

/**
 * Refuses what is no file to be read: a pipe waits for a writer that may never come, a device may never end. What is missing or a
 * folder is left to the reader, which has its own words for it.
 * @throws BidoraError `FILE` naming the path
 */
export function refuseSpecialFile(path: string): void {
  const kind = specialKind(find(path));
  if (kind === undefined) return;
  throw new BidoraError(
    "FILE",
    `${path} is ${kind}, but a regular file is expected: write its contents to a file first.`,
  );
}

function find(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function specialKind(found: Stats | undefined): string | undefined {
  if (found?.isFIFO()) return "a pipe";
  if (found?.isSocket()) return "a socket";
  return found?.isCharacterDevice() || found?.isBlockDevice() ? "a device" : undefined;
}
