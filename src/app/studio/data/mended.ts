/** Which file came from which by mending a row: the lines of both are equal but for one. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isObject, statOf } from "../../../base/index.js";
import { writeFileAtomic } from "../../../base/records/index.js";
import type { StudioFolder } from "../folder.js";

/** A mended file, and the sizes of both when it was written: with others they are other files by now. */
interface Step {
  readonly to: string;
  readonly sizes: string;
}

/** Hidden, so that it is no file of rows. */
const pathIn = (folder: StudioFolder): string => join(folder.path, "rows", ".mended.json");

function stepsIn(folder: StudioFolder): Map<string, Step> {
  const path = pathIn(folder);
  if (!existsSync(path)) return new Map();
  try {
    const entries = Object.entries(JSON.parse(readFileSync(path, "utf8")) as object);
    return new Map(entries.filter(([, step]) => isObject(step) && typeof step.to === "string"));
  } catch {
    return new Map();
  }
}

const sizesOf = (folder: StudioFolder, ...names: readonly string[]): string =>
  names.map((name) => statOf(folder.at("rows", name))?.size).join(" ");

/** The file with all mended rows of a file; itself if none is mended. */
export function newestOf(folder: StudioFolder, name: string): string {
  const steps = stepsIn(folder);
  let newest = name;
  for (const _ of steps) {
    const step = steps.get(newest);
    if (!step || !existsSync(folder.at("rows", step.to)) || sizesOf(folder, newest, step.to) !== step.sizes) break;
    newest = step.to;
  }
  return newest;
}

export function keepStep(folder: StudioFolder, from: string, to: string): void {
  const steps = stepsIn(folder).set(from, { to, sizes: sizesOf(folder, from, to) });
  writeFileAtomic(pathIn(folder), `${JSON.stringify(Object.fromEntries(steps), undefined, 1)}\n`);
}
