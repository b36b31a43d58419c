import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { makeFolder, statOf, writeFailure } from "../common/fileSystem.js";
import { sweepTemporary, writeFileAtomic } from "./atomic.js";
import { newestCheckpoint } from "./checkpointState.js";
import { METRICS } from "./metrics.js";
import { MARKER } from "./names.js";
import { contentsOf, refuseForeign, refuseOccupied, removeOwnFiles } from "./outputFolder.js";

const MARK = "This folder is a run of bidora's: `bidora finetune --resume` may go on with it.\n";

/** How a run meets its output folder: it begins anew, or goes on from a checkpoint that is there. */
export type FolderState = "fresh" | "resumable";

export interface FolderUse {
  readonly resume: boolean;
  readonly overwrite: boolean;
}

/** Whether a run of this program's began in the folder. */
export const isRunFolder = (folder: string): boolean => statOf(join(folder, MARKER))?.isFile() === true;

/** Whether a run has ended well in the folder. */
export const isFinished = (folder: string): boolean => isRunFolder(folder) && existsSync(join(folder, METRICS));

/**
 * Looks at the output folder before anything is computed; nothing is created or removed yet.
 * @param inputs files and folders that the run reads, which `--overwrite` must not remove
 * @throws BidoraError `OUTPUT_IN_USE` when something is there that neither `--resume` nor `--overwrite` is good for
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
 * Makes the folder ready to be written to: marked as a run, without a killed run's temporary files, and with `--overwrite`
 * without what an earlier run wrote.
 */
export function prepareOutput(folder: string, use: FolderUse): void {
  // While model and data were loaded, somebody may have put something there.
  inspectOutput(folder, use, []);
  try {
    makeFolder(folder);
    if (use.overwrite) removeOwnFiles(folder);
    writeFileSync(join(folder, MARKER), MARK);
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
    `--output ${folder} is not empty, and it is no run of bidora's that --resume could go on with (it has no ${MARKER}): name another folder.`,
  );
}
