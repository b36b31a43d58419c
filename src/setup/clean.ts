// What nobody uses any more in this program's cache.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { isTemporary } from "../files/atomic.js";
import { addonCache, installationsOf, stamps } from "../torch/engines/builds.js";
import { BUILDING } from "./build.js";

/** Something in the cache. */
export interface Leftover {
  readonly path: string;
  readonly bytes: number;
}

/** Temporary folders younger than this may belong to a set-up that is running. */
const LEFTOVER_AGE_MS = 3_600_000;

/** Addons of installations that are gone or were upgraded, and what killed set-ups left. */
export function leftovers(): Leftover[] {
  return entriesOf(addonCache())
    .filter((path) => (isUnfinished(path) ? ageMs(path) > LEFTOVER_AGE_MS : isUnused(path)))
    .map((path) => ({ path, bytes: bytesOf(path) }));
}

/** Removes them. @returns what was removed */
export function clean(): Leftover[] {
  const found = leftovers();
  for (const { path } of found) rmSync(path, { recursive: true, force: true });
  return found;
}

const entriesOf = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];

const isUnfinished = (path: string): boolean => isTemporary(basename(path)) || basename(path).startsWith(BUILDING);

/** Addons are used by the installations that set them up, as long as these have the same native sources. */
function isUnused(path: string): boolean {
  return statSync(path).isDirectory() && !installationsOf(path).some((root) => sourcesOf(root) === basename(path));
}

function sourcesOf(root: string): string | undefined {
  const native = join(root, "native");
  return existsSync(native) ? stamps().sourcesHash(native) : undefined;
}

const ageMs = (path: string): number => Date.now() - statSync(path).mtimeMs;

function bytesOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found?.size ?? 0;
  return entriesOf(path).reduce((sum, entry) => sum + bytesOf(entry), 0);
}
