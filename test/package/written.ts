// Which files a command wrote.
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The files under a folder, by path; a value that changes when a file is written. */
export type Files = ReadonlyMap<string, string>;

export function filesUnder(root: string): Files {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" });
  return new Map(names.flatMap((name) => entry(root, name)));
}

function entry(root: string, name: string): [string, string][] {
  const facts = lstatSync(join(root, name));
  return facts.isDirectory() ? [] : [[`/${name}`, `${facts.size} ${facts.mtimeMs} ${facts.ino}`]];
}

/** The files that are new, changed or gone, without those under the folders. */
export function writtenOutside(before: Files, after: Files, folders: readonly string[]): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .filter((path) => !folders.some((folder) => path.startsWith(`${folder}/`)));
}

/** Size in bytes of a folder's files, each counted once; 0 if there is none. */
export function sizeOf(folder: string): number {
  if (!existsSync(folder)) return 0;
  const seen = new Set<number>();
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const { ino, size } = lstatSync(join(folder, name));
    if (!seen.has(ino)) bytes += size;
    seen.add(ino);
  }
  return bytes;
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
