// What nobody uses any more in this program's cache.
import { readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { BidoraError, isFolder, sizeOf, statOf } from "../../base/index.js";
import { isTemporary, LEFTOVER_AGE_MS } from "../../base/records/index.js";
import { addonCache, installationsOf, stamps } from "../../torch/installations/index.js";
import { BUILDING } from "./build.js";

/** Something in the cache. */
export interface Leftover {
  readonly path: string;
  readonly bytes: number;
}

/** Addons of installations that are gone or were upgraded, and what killed set-ups left. */
export function leftovers(): Leftover[] {
  return entriesOf(addonCache())
    .filter((path) => (isUnfinished(path) ? ageMs(path) > LEFTOVER_AGE_MS : isUnused(path)))
    .map((path) => ({ path, bytes: bytesOf(path) }));
}

/** Removes them. @returns what was removed @throws BidoraError `WRITE` */
export function clean(): Leftover[] {
  const found = leftovers();
  for (const { path } of found) remove(path);
  return found;
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BidoraError("WRITE", `${path} can't be removed (${code}): run the command as its owner.`, {
      cause: error,
    });
  }
}

const entriesOf = (folder: string): string[] => namesIn(folder).map((name) => join(folder, name));

/** None in a folder that is another user's. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const isUnfinished = (path: string): boolean => isTemporary(basename(path)) || basename(path).startsWith(BUILDING);

/**
 * Addons are used by the installations that set them up, as long as these have the same native sources. What this user can't look into
 * may be in use by another one.
 */
function isUnused(path: string): boolean {
  try {
    return isFolder(path) && !installationsOf(path).some((root) => sourcesOf(root) === basename(path));
  } catch {
    return false;
  }
}

function sourcesOf(root: string): string | undefined {
  const native = join(root, "native");
  return statOf(native) && stamps().sourcesHash(native);
}

/** Locks and unfinished builds can disappear at any time. */
const ageMs = (path: string): number => Date.now() - (statOf(path)?.mtimeMs ?? Date.now());

function bytesOf(path: string): number {
  if (!isFolder(path)) return sizeOf(path);
  return entriesOf(path).reduce((sum, entry) => sum + bytesOf(entry), 0);
}
