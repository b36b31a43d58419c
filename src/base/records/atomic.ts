// Atomic writes: a reader sees a file or a folder complete or not at all.
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { BidoraError } from "../errors.js";
import { makeFolder, statOf, writeFailure } from "../fileSystem.js";

/** The most bytes for one `writeSync`. */
const WRITE_LIMIT = 2 ** 30;

const TEMPORARY = /^\..+\.[0-9a-f]{12}\.tmp$/;

/** A new hidden name next to `path`: in the same folder, so that a rename is atomic. `sweepTemporary` removes such files. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
}

/**
 * Writes one file atomically: temporary name, fsync, rename.
 * `write` gets the open file descriptor. The folder must exist.
 * @throws BidoraError `WRITE` that names the path, when the disk is full or another write error occurs
 */
export function writeAtomic(path: string, write: (descriptor: number) => void): void {
  const temporary = temporaryPath(path);
  try {
    const descriptor = openSync(temporary, "wx");
    try {
      write(descriptor);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw writeFailure(path, error);
  }
  syncFolder(dirname(path));
}

/** Writes all bytes at a position, or at the descriptor's own. The system may take fewer at once. */
export function writeAll(descriptor: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(WRITE_LIMIT, bytes.length - done);
    const taken = writeSync(descriptor, bytes, done, length, position === undefined ? null : position + done);
    if (taken === 0) throw Object.assign(new Error("nothing was written"), { code: "ENOSPC", syscall: "write" });
    done += taken;
  }
}

/** Writes text (UTF-8) or bytes to `path`, whole or not at all. */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  writeAtomic(path, (descriptor) => writeFileSync(descriptor, data));
}

/**
 * Replaces the folder at `path` with one that `fill` writes under a temporary name. The old folder is moved aside and then removed, so
 * for an instant there may be no folder, but never an incomplete one.
 */
export function replaceFolderAtomic(path: string, fill: Fill): Promise<void> {
  return placeFolder(path, fill, (fresh) => {
    const old = temporaryPath(path);
    const stood = existsSync(path);
    if (stood) renameSync(path, old);
    try {
      renameSync(fresh, path);
    } catch (error) {
      if (stood) renameSync(old, path);
      throw error;
    }
    rmSync(old, { recursive: true, force: true });
  });
}

/** As `replaceFolderAtomic`, for contents that are always the same: if another process was first, its folder stays. */
export function createFolderAtomic(path: string, fill: Fill): Promise<void> {
  return placeFolder(path, fill, (fresh) => {
    try {
      renameSync(fresh, path);
    } catch (error) {
      if (!existsSync(path)) throw error;
      rmSync(fresh, { recursive: true });
    }
  });
}

/**
 * Puts the files that `fill` writes into a folder that may have other files, and that no other process writes. Nothing changes before
 * all is written, but that temporary files of killed processes are removed. Then `clear` removes conflicting files, and each new one is
 * renamed into place; the configuration, which marks a complete folder, is the last.
 */
export function fillFolder(path: string, fill: Fill, clear: () => void): Promise<void> {
  if (existsSync(path)) sweepTemporary(path);
  const place = (fresh: string): void => {
    clear();
    const isConfig = (name: string): boolean => name.endsWith("config.json");
    const names = readdirSync(fresh).sort((a, b) => Number(isConfig(a)) - Number(isConfig(b)));
    for (const name of names) renameSync(join(fresh, name), join(path, name));
    rmSync(fresh, { recursive: true });
  };
  return placeFolder(path, fill, place, temporaryPath(join(path, "new")));
}

type Fill = (temporary: string) => void | Promise<void>;

async function placeFolder(
  path: string,
  fill: Fill,
  place: (fresh: string) => void,
  fresh = temporaryPath(path),
): Promise<void> {
  try {
    makeFolder(fresh);
    await fill(fresh);
    syncTree(fresh);
    place(fresh);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw inItsPlace(error, fresh, path);
  }
  syncFolder(dirname(path));
}

/** Puts the final path into a message, because the temporary file is removed. */
function inItsPlace(error: unknown, fresh: string, path: string): unknown {
  if (!(error instanceof BidoraError) || error.code !== "WRITE") return writeFailure(path, error);
  return new BidoraError(error.code, error.message.replaceAll(fresh, path), { cause: error.cause });
}

/** True for a name that `temporaryPath` makes. */
export const isTemporary = (name: string): boolean => TEMPORARY.test(name);

/**
 * Removes temporary files of killed runs from `folder`. `olderThanMs` keeps those that another process may be writing.
 */
export function sweepTemporary(folder: string, olderThanMs = 0): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (isTemporary(name) && ageMs(path) >= olderThanMs) rmSync(path, { recursive: true, force: true });
  }
}

/** Temporary files and folders older than this were left by a killed process: no download, conversion or set-up takes longer. */
export const LEFTOVER_AGE_MS = 3_600_000;

/** Removes what killed commands left of a file: its temporary files in a folder that is not bidora's own. */
export function sweepLeftovers(path: string): void {
  const folder = dirname(path);
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const isOfFile = isTemporary(name) && name.startsWith(`.${basename(path)}.`);
    if (isOfFile && ageMs(join(folder, name)) >= LEFTOVER_AGE_MS) rmSync(join(folder, name), { force: true });
  }
}

function ageMs(path: string): number {
  return Math.max(0, Date.now() - (statOf(path)?.mtimeMs ?? 0));
}

/** Syncs contents, then folders, so that a rename survives a power cut. */
function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path);
  }
  syncFolder(folder);
}

function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncFolder(folder: string): void {
  try {
    syncPath(folder);
  } catch {
    // Some file systems can't sync a folder. The rename itself is done.
  }
}

/**
 * Appends to a file. If that fails, for example on a full disk, the file is cut back to its old length.
 * @throws BidoraError as `writeFailure`
 */
export function appendWhole(path: string, data: string | Uint8Array): void {
  let size: number | undefined;
  try {
    size = statOf(path)?.size ?? 0;
    appendFileSync(path, data);
  } catch (error) {
    truncateTo(path, size);
    throw writeFailure(path, error);
  }
}

/** Errors are ignored: the caller reports the first one. */
function truncateTo(path: string, size: number | undefined): void {
  try {
    if (size !== undefined) truncateSync(path, size);
  } catch {}
}
