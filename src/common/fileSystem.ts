// What the file system holds and refuses: looking at a path, making folders, and errors of writing in plain words.
import { existsSync, mkdirSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { BidoraError } from "./errors.js";

/** What stands at a path; undefined if nothing does, also if a parent of the path is a file. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * Refuses what is no file to be read: a pipe waits for a writer that may never come, a device may never end. What is missing or a
 * folder is left to the reader, which has its own words for it.
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

/** In words, with what to do, where the system's own are not plain. */
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

/** How the native bridge says it. */
const NATIVE = /could not write the file: (.*)\.$/;
const NATIVE_CODES: Readonly<Partial<Record<string, string>>> = {
  "No space left on device": "ENOSPC",
  "Disk quota exceeded": "EDQUOT",
  "File too large": "EFBIG",
  "Input/output error": "EIO",
};

/** The sentence for a write that the system refused, which names the path; any other error as it is. */
export function writeFailure(path: string, error: unknown): unknown {
  const code = error instanceof Error ? codeOf(error) : undefined;
  if (code === undefined) return error;
  const why = REASONS[code] ?? "the system refuses it; write elsewhere";
  return new BidoraError("WRITE", `${path} can't be written (${code}): ${why}.`, { cause: error });
}

/** Undefined for an error that does not come from the system, or not from writing. */
function codeOf(error: NodeJS.ErrnoException): string | undefined {
  const native = NATIVE.exec(error.message)?.[1];
  if (native !== undefined) return NATIVE_CODES[native] ?? native;
  return WRITING.test(error.syscall ?? "") ? error.code : undefined;
}

/** `readSync` takes no more than this at once. */
const READ_LIMIT = 2 ** 30;

/** The error of one kind of file. */
type FileError = (path: string, sentence: string, options?: ErrorOptions) => BidoraError;

/** Opens a file to read. @throws what `errorOf` makes of a file that is not there or can't be opened */
export function openToRead(path: string, errorOf: FileError): number {
  refuseSpecialFile(path);
  try {
    return openSync(path, "r");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw errorOf(path, code === "ENOENT" ? "there is no such file." : `cannot be opened: ${message}.`, {
      cause: error,
    });
  }
}

/** Fills `bytes` from a place of an open file on. @throws what `errorOf` makes of a file that ends before */
export function readInto(
  { path, descriptor }: { readonly path: string; readonly descriptor: number },
  bytes: Uint8Array,
  position: number,
  errorOf: FileError,
): void {
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(descriptor, bytes, done, Math.min(READ_LIMIT, bytes.length - done), position + done);
    if (count === 0) throw errorOf(path, "it became shorter while it was read.");
    done += count;
  }
}
