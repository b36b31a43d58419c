import { openSync, readSync } from "node:fs";
import type { BidoraError } from "../common/errors.js";
import { refuseSpecialFile } from "../common/fileSystem.js";

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
