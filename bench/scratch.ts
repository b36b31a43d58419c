import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder for files of this process, which is removed when it ends, by Ctrl-C too. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bidora-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
  return folder;
}
