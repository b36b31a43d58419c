import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { BidoraError } from "./errors.js";
import { statOf } from "./statOf.js";
import { writeFailure } from "./writeFailure.js";

/**
 * Makes a folder, and those above it that are missing. This is the only place that does: Node's own recursive `mkdirSync` never
 * returns on a file system that refuses every new name with ENOENT, as /proc does.
 * @param setting the environment variable that the path comes from, for the message
 * @returns the topmost folder that was made; undefined when all were there
 * @throws BidoraError `WRITE`
 */
export function makeFolder(path: string, setting?: string): string | undefined {
  const folder = resolve(path);
  try {
    return make(folder);
  } catch (error) {
    throw refusal(folder, error as NodeJS.ErrnoException, setting);
  }
}

function make(folder: string): string | undefined {
  if (isFolder(folder)) return undefined;
  const above = dirname(folder);
  const made = existsSync(above) ? undefined : make(above);
  try {
    mkdirSync(folder);
    return made ?? folder;
  } catch (error) {
    // Another process made the folder, or removed the one above it, at the same moment.
    if (isFolder(folder)) return made;
    if (!existsSync(above)) return make(folder);
    throw error;
  }
}

const isFolder = (path: string): boolean => statOf(path)?.isDirectory() === true;

function refusal(folder: string, error: NodeJS.ErrnoException, setting: string | undefined): unknown {
  const found = error.code === "ENOENT" ? takesNone(folder, error) : writeFailure(folder, error);
  if (setting === undefined || !(found instanceof BidoraError)) return found;
  return new BidoraError(found.code, `${found.message} The folder is set by ${setting}.`, { cause: error });
}

function takesNone(folder: string, cause: Error): BidoraError {
  let above = dirname(folder);
  while (!existsSync(above)) above = dirname(above);
  return new BidoraError("WRITE", `${folder} can't be made (ENOENT): ${above} takes no new folders; write elsewhere.`, {
    cause,
  });
}
