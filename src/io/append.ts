import { appendFileSync, truncateSync } from "node:fs";
import { statOf, writeFailure } from "../common/fileSystem.js";

/**
 * Puts something at the end of a file: whole or not at all, as far as a full disk lets it, so that what is put there later begins
 * where it should.
 * @throws BidoraError as `writeFailure`
 */
export function appendWhole(path: string, data: string | Uint8Array): void {
  let size: number | undefined;
  try {
    size = statOf(path)?.size ?? 0;
    appendFileSync(path, data);
  } catch (error) {
    cutTo(path, size);
    throw writeFailure(path, error);
  }
}

/** What goes wrong here has a reason that has been told. */
function cutTo(path: string, size: number | undefined): void {
  try {
    if (size !== undefined) truncateSync(path, size);
  } catch {}
}
