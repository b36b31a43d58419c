// What the file system holds and refuses: looking at a path, making folders, and errors of writing in plain words.
import { existsSync, mkdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { BidoraError } from "./errors.js";

/** `stat` of a path, or undefined if nothing is there (even if a parent of the path is a file). */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * Refuses pipes, sockets and devices, whose reading might never end. A missing file or a folder passes: the reader has its own
 * message for these.
 * @throws BidoraError `FILE` naming the path
 */
export function refuseSpecialFile(path: string): void {
  const kind = specialKind(find(path));
  if (kind === undefined) return;
  throw new BidoraError(
    "FILE",
    `${path} is ${kind}, but a regular file is expected: write its contents to a file first.`,
  );
}

function find(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function specialKind(found: Stats | undefined): string | undefined {
  if (found?.isFIFO()) return "a pipe";
  if (found?.isSocket()) return "a socket";
  return found?.isCharacterDevice() || found?.isBlockDevice() ? "a device" : undefined;
}

/**
 * Creates a folder and its missing parents. Used everywhere instead of Node's recursive `mkdirSync`, which never returns on a file
 * system that refuses every new name with ENOENT, such as /proc.
 * @param setting the environment variable that the path comes from, for the message
 * @returns the topmost folder that was created; undefined if all existed
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
    // Another process created the folder, or removed its parent, at the same moment.
    if (isFolder(folder)) return made;
    if (!existsSync(above)) return make(folder);
    throw error;
  }
}

export const isFolder = (path: string): boolean => statOf(path)?.isDirectory() === true;

/** The bytes of a file; 0 if nothing is there. */
export const sizeOf = (path: string): number => statOf(path)?.size ?? 0;

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

/** Explanation and advice by error code. */
const REASONS: Readonly<Partial<Record<string, string>>> = {
  ENOSPC: "the disk is full; make room there, then run the command again",
  EDQUOT: "the disk quota is used up; make room there, then run the command again",
  EFBIG: "the file grows larger than this system allows; raise the limit (ulimit -f), or write elsewhere",
  EROFS: "the file system is read-only; write elsewhere",
  EACCES: "this user may not write there; change its permissions, or write elsewhere",
  ENOTDIR: "a part of the path is a file, where a folder is expected; write elsewhere",
  EEXIST: "a file of that name is there; write elsewhere",
  ENOENT: "its folder is gone; run the command again",
  EIO: "the disk reports an error; check it, or write elsewhere",
};

const WRITING = /^(write|open|stat|mkdir|mkdtemp|rename|fsync|ftruncate|copyfile)$/;

/** The native bridge's message for a failed write. */
const NATIVE = /could not write the file: (.*)\.$/;
const NATIVE_CODES: Readonly<Partial<Record<string, string>>> = {
  "No space left on device": "ENOSPC",
  "Disk quota exceeded": "EDQUOT",
  "File too large": "EFBIG",
  "Input/output error": "EIO",
};

/** Turns an error of writing into a `BidoraError` that names the path; returns any other error unchanged. */
export function writeFailure(path: string, error: unknown): unknown {
  const code = error instanceof Error ? codeOf(error) : undefined;
  if (code === undefined) return error;
  const why = REASONS[code] ?? "the system refuses it; write elsewhere";
  return new BidoraError("WRITE", `${path} can't be written (${code}): ${why}.`, { cause: error });
}

/** The system's error code, or undefined for an error that does not come from writing. */
function codeOf(error: NodeJS.ErrnoException): string | undefined {
  const native = NATIVE.exec(error.message)?.[1];
  if (native !== undefined) return NATIVE_CODES[native] ?? native;
  return WRITING.test(error.syscall ?? "") ? error.code : undefined;
}

/** The contents of a text file. @param code of the error @throws BidoraError naming the file, and why it can't be read */
export function readTextFile(path: string, code: string): string {
  refuseSpecialFile(path);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code: cause = "", message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "it does not exist", EISDIR: "it is a folder, but a file is expected" }[cause] ?? message;
    throw new BidoraError(code, `Cannot read ${path}: ${why}.`, { cause: error });
  }
}
