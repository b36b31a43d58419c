import { dirname } from "node:path";
import { makeFolder } from "../common/fileSystem.js";
import { writeAll, writeAtomic } from "../files/atomic.js";

/** A file appears whole. */
export function writeLines(path: string, lines: readonly string[]): void {
  makeFolder(dirname(path));
  writeAtomic(path, (descriptor) => {
    for (const line of lines) writeAll(descriptor, Buffer.from(line));
  });
}
