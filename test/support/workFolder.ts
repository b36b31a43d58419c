// The temporary folder of a test file: removed after it, by test/support/everyFile.ts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let folder: string | undefined;
let count = 0;

/** A path in this file's temporary folder where nothing is yet. */
export function freshPath(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), "bidora-test-"));
  return join(folder, `${count++}-${name}`);
}

export function removeWorkFolder(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
}
