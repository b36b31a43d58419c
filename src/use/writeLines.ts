import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { writeAll, writeAtomic } from "../io/atomic.js";

/** A file appears whole. */
export function writeLines(path: string, lines: readonly string[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeAtomic(path, (descriptor) => {
    for (const line of lines) writeAll(descriptor, Buffer.from(line));
  });
}
