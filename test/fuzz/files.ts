// Files of inputs, and those that inputs are made from.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { GOLDEN, REPOSITORY as ROOT } from "../support/golden.js";
import { type Files, type Folder, latin1 } from "./mutations.js";

export { GOLDEN, ROOT };

/** A golden file as inputs hold it. */
export const golden = (path: string): string => latin1(readFileSync(join(GOLDEN, path)));

/** The files of a golden folder and its folders, by path. @param most bytes of a file */
export function goldenFolder(path: string, most = 2 ** 20): Files {
  const folder = join(GOLDEN, path);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => {
    const found = statSync(join(folder, name));
    return found.isFile() && found.size <= most;
  });
  return Object.fromEntries(names.map((name) => [name, latin1(readFileSync(join(folder, name)))]));
}

const read = new Map<string, Files>();

/** The same for each of some folders, by its path. */
export const goldenFolders = (...paths: readonly string[]): ReadonlyMap<string, Files> =>
  new Map(paths.map((path) => [path, filesOf(path)]));

function filesOf(base: string): Files {
  if (!read.has(base)) read.set(base, goldenFolder(base));
  return read.get(base) as Files;
}

let work: string | undefined;

/** The folder that inputs are written to. */
export const workFolder = (): string => {
  work ??= mkdtempSync(join(tmpdir(), "bidora-fuzz-"));
  return work;
};

/** Writes a folder of files, replacing an earlier one. @returns its path */
export function placed(files: Files, name = "input"): string {
  const folder = join(workFolder(), name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), Buffer.from(content, "latin1"));
  }
  return folder;
}

/** The same for a golden folder with changes. */
export const placedFolder = ({ base, files }: Folder): string => placed({ ...filesOf(base), ...files });

/** Removes what was written. */
export function removeWorkFolder(): void {
  if (work) rmSync(work, { recursive: true, force: true });
  work = undefined;
}
