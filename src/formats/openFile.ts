// A file that stays open: its header is in memory, and its data are read on demand.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type BidoraError, isFolder, refuseSpecialFile } from "../base/index.js";
import * as torch from "../torch/index.js";

/** Makes the error of one kind of file. */
type FileError = (path: string, sentence: string, options?: ErrorOptions) => BidoraError;

/** An open file. What it reads is refused if another program has written to the file since it was opened: parts of two files make no model. */
export class OpenFile {
  #descriptor: number | undefined;

  private constructor(
    readonly path: string,
    descriptor: number,
    /** When it was opened. */
    readonly stats: { readonly size: number; readonly mtimeMs: number; isFile(): boolean },
    private readonly errorOf: FileError,
  ) {
    this.#descriptor = descriptor;
  }

  /**
   * Opens a file, and closes it again if `read` throws.
   * @param read what is made of the file
   * @throws `errorOf(…)` if it can't be opened
   */
  static open<T>(path: string, errorOf: FileError, read: (file: OpenFile) => T): T {
    const descriptor = openToRead(path, errorOf);
    const file = new OpenFile(path, descriptor, fstatSync(descriptor), errorOf);
    try {
      return read(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** @throws `errorOf(…)` if it has been closed */
  get opened(): OpenedFile {
    const [path, descriptor] = [this.path, this.#descriptor];
    if (descriptor === undefined) throw this.errorOf(path, "it has been closed.");
    return { path, descriptor };
  }

  /** A copy of its bytes from a position on. */
  bytes(position: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    readInto(this.opened, bytes, position, this.errorOf);
    return this.#unchanged(bytes);
  }

  /** A tensor with its bytes from a position on: a copy or, if it may be mapped, is large and aligned, the file's own pages. */
  tensor(position: number, shape: readonly number[], dtype: torch.DType, mayMap: boolean): torch.Tensor {
    const file = this.opened;
    return this.#unchanged(
      mayMap
        ? torch.mapOrReadFile(file, position, shape, dtype)
        : torch.readFile(file.descriptor, position, shape, dtype),
    );
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #unchanged<T>(value: T): T {
    requireUnchanged(this.opened, this.stats.mtimeMs, this.errorOf);
    return value;
  }
}

/** The most that `readSync` reads in one call. */
const READ_LIMIT = 2 ** 30;

/** Opens a file for reading. @throws `errorOf(…)` if it is missing or can't be opened */
function openToRead(path: string, errorOf: FileError): number {
  refuseSpecialFile(path);
  if (isFolder(path)) throw errorOf(path, "it is a folder, but a file is expected.");
  try {
    return openSync(path, "r");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw errorOf(path, code === "ENOENT" ? "there is no such file." : `cannot be opened: ${message}.`, {
      cause: error,
    });
  }
}

/** A file that is open for reading. */
interface OpenedFile {
  readonly path: string;
  readonly descriptor: number;
}

/** @throws `errorOf(…)` if another program has written to the file since its time of change was `mtimeMs` */
function requireUnchanged({ path, descriptor }: OpenedFile, mtimeMs: number, errorOf: FileError): void {
  if (fstatSync(descriptor).mtimeMs === mtimeMs) return;
  throw errorOf(path, "it was changed while being read: run the command again when nothing writes to it.");
}

/** Fills `bytes` from an open file, starting at `position`. @throws `errorOf(…)` if the file ends before that */
export function readInto(
  { path, descriptor }: OpenedFile,
  bytes: Uint8Array,
  position: number,
  errorOf: FileError,
): void {
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(descriptor, bytes, done, Math.min(READ_LIMIT, bytes.length - done), position + done);
    if (count === 0) throw errorOf(path, "it was truncated while being read.");
    done += count;
  }
}
