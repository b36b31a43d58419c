import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve, sep } from "node:path";
import { BidoraError } from "../common/errors.js";
import { statOf } from "../common/fileSystem.js";
import { checkpointSteps } from "../files/checkpointState.js";
import { isRunFolder } from "../files/runFolder.js";
import { hasWeights } from "./runStates.js";

/** A run's folder, and what it is called. */
export interface RunFolder {
  readonly name: string;
  readonly path: string;
  /** Of a comparison's run the task: slopes are compared within one. */
  readonly group: string;
  /** Found in a comparison, not named by the caller. */
  readonly isFound: boolean;
}

/** How far below a comparison's folder its runs lie: TASK/METHOD/seed-N. */
const DEPTH = 3;

/**
 * The run folders that are meant: each is a run, or a comparison with runs below it.
 * @throws BidoraError `ANALYSIS` for a folder that is neither
 */
export function runFolders(given: readonly string[]): RunFolder[] {
  const found = given.flatMap((path) => {
    if (isRun(path)) return [{ name: basename(resolve(path)), path, group: "", isFound: false }];
    const below = runsBelow(path);
    if (below.length === 0) throw noRun(path);
    return below.map((name) => ({ name, path: join(path, name), group: groupOf(name), isFound: true }));
  });
  return found.map((run, at) => ({ ...run, name: uniqueName(found, at) }));
}

const isRun = (path: string): boolean => hasWeights(path) || checkpointSteps(path).length > 0;

/** Their paths below the folder, `seed-2` before `seed-10`. */
function runsBelow(folder: string, depth = DEPTH): string[] {
  if (depth === 0 || !statOf(folder)?.isDirectory()) return [];
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const sorted = names.map(({ name }) => name).sort(new Intl.Collator("en", { numeric: true }).compare);
  return sorted.flatMap((name) => {
    const path = join(folder, name);
    if (isRunFolder(path)) return [name];
    return runsBelow(path, depth - 1).map((below) => join(name, below));
  });
}

const groupOf = (name: string): string => name.split(sep).slice(0, -2).join("/");

function uniqueName(runs: readonly { readonly name: string }[], at: number): string {
  const { name } = runs[at]!;
  const count = runs.slice(0, at + 1).filter((run) => run.name === name).length;
  return count === 1 ? name : `${name} (${count})`;
}

function noRun(path: string): BidoraError {
  const why = existsSync(path) ? `${path} holds no checkpoint, no result, and no run below it` : `There is no ${path}`;
  return new BidoraError(
    "ANALYSIS",
    `${why}: name a run's output folder (with --save-every it has checkpoints), or a comparison's.`,
  );
}
