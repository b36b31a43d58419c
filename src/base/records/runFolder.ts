// The folder of a run: its marker, its state, and its preparation.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../errors.js";
import { makeFolder, statOf, writeFailure } from "../fileSystem.js";
import { sweepTemporary, writeFileAtomic } from "./atomic.js";
import { newestCheckpoint } from "./checkpointState.js";
import { METRICS } from "./metrics.js";
import { MARKER } from "./names.js";
import { contentsOf, refuseForeign, refuseOccupied, removeOwnFiles } from "./outputFolder.js";

const MARK = "This folder is a run of bidora's: `bidora finetune --resume` may go on with it.\n";
/** Begins the line of the mark that names a launch. */
const LAUNCH = "Launch: ";

/** Whether a run starts from the beginning or resumes from a checkpoint. */
type FolderState = "fresh" | "resumable";

interface FolderUse {
  readonly resume: boolean;
  readonly overwrite: boolean;
}

/** Whether a run of bidora was started in the folder. */
export const isRunFolder = (folder: string): boolean => statOf(join(folder, MARKER))?.isFile() === true;

/** Whether one of these launches has begun a run in the folder, or continued one. Times don't show it: file systems have clocks of their own. */
export const isRunOf = (folder: string, launches: readonly string[]): boolean =>
  isRunFolder(folder) &&
  readFileSync(join(folder, MARKER), "utf8")
    .split("\n")
    .some((line) => launches.some((name) => line === LAUNCH + name));

/** Whether the run in the folder has finished. */
export const isFinished = (folder: string): boolean => isRunFolder(folder) && existsSync(join(folder, METRICS));

/**
 * Checks the output folder before anything is computed. Nothing is created or removed yet.
 * @param inputs files and folders that the run reads, which `--overwrite` must not remove
 * @throws BidoraError `OUTPUT_IN_USE` if neither `--resume` nor `--overwrite` allows what is there
 */
export function inspectOutput(folder: string, use: FolderUse, inputs: readonly string[]): FolderState {
  if (!use.resume) {
    refuseOccupied(folder, use.overwrite, inputs);
    return "fresh";
  }
  if (isRunFolder(folder)) refuseForeign(folder);
  else if (existsSync(folder) && contentsOf(folder).length > 0) throw noRun(folder);
  return newestCheckpoint(folder) === undefined ? "fresh" : "resumable";
}

/**
 * Prepares the folder: marks it as a run, removes a killed run's temporary files and, with `--overwrite`, an earlier run's files.
 * @param launches the names of the launches that the run's processes belong to
 */
export function prepareOutput(folder: string, use: FolderUse, launches: readonly string[] = []): void {
  // Another process may have written there while model and data were loaded.
  inspectOutput(folder, use, []);
  try {
    makeFolder(folder);
    if (use.overwrite) removeOwnFiles(folder);
    writeFileAtomic(join(folder, MARKER), [MARK, ...launches.map((name) => `${LAUNCH}${name}\n`)].join(""));
  } catch (error) {
    throw writeFailure(folder, error);
  }
  sweepTemporary(folder);
}

export function copyFiles(names: readonly string[], from: string, to: string): void {
  for (const name of names) writeFileAtomic(join(to, name), readFileSync(join(from, name)));
}

function noRun(folder: string): BidoraError {
  return new BidoraError(
    "OUTPUT_IN_USE",
    `--output ${folder} is not empty, and --resume can't use it because it is not a run of bidora (it has no ${MARKER}): name another folder.`,
  );
}
