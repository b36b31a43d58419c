// Where things are: in the repository, in the user's cache, and on the disk while the tests run.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownCacheFolder } from "../../src/base/installation.js";
import { GOLDEN, REPOSITORY } from "../support/golden.js";

export { GOLDEN, REPOSITORY };
/** The sources of these tests: programs and scripts that are not compiled. */
export const SOURCES = join(REPOSITORY, "test", "package");

/** A folder that stays between runs. */
export function cacheFolder(name: string): string {
  const folder = join(ownCacheFolder(), "test-package", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

const temporary: string[] = [];

/** A new folder, which is removed at the end. */
export const temporaryFolder = (name: string): string => temporaryIn(tmpdir(), `bidora-${name}`);

/** A new folder within `parent`, which is removed at the end, unless it has another name by then. */
export function temporaryIn(parent: string, name: string): string {
  const folder = mkdtempSync(join(parent, `${name}-`));
  temporary.push(folder);
  return folder;
}

/** Removes what `temporaryFolder` made. Nothing is mounted there: mounts are in namespaces, which end with their commands. */
export function removeTemporary(): void {
  for (const folder of temporary.splice(0)) rmSync(folder, { recursive: true, force: true });
}
