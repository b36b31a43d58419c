import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { BidoraError } from "../errors.js";

/**
 * The text of a UTF-8 file, without its byte-order mark.
 * @throws BidoraError if the file is missing, empty or not UTF-8 (naming the line).
 */
export async function readTextFile(file: string): Promise<string> {
  const bytes = await readBytes(file);
  if (!isUtf8(bytes)) throw encodingError(file, bytes);
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  if (text.trim() === "") throw emptyFile(file);
  return text;
}

/** @throws BidoraError if there is no such file. */
export async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw fileError(file, cause);
  }
}

/** One sentence for a file that can't be opened. */
export function fileError(file: string, cause: unknown): BidoraError {
  const code = (cause as NodeJS.ErrnoException).code;
  const why: Record<string, string> = {
    ENOENT: `${file} does not exist: check the path.`,
    EISDIR: `${file} is a folder, but a file is expected.`,
    ENOTDIR: `${file} is not a folder, but a folder is expected.`,
    EACCES: `${file} may not be read: check its permissions.`,
  };
  return new BidoraError("FILE", why[code ?? ""] ?? `${file} can't be read: ${(cause as Error).message}`, { cause });
}

export function emptyFile(file: string): BidoraError {
  return new BidoraError("EMPTY_FILE", `${file} is empty: it must hold at least one row.`);
}

/** A row that can't be taken as it is. */
export function rowError(file: string, line: number, fault: string): BidoraError {
  return new BidoraError("BAD_ROW", `${file} line ${line}: ${fault}`);
}

export function columnCount(columns: number): string {
  return columns === 1 ? "1 column" : `${columns} columns`;
}

/** The lines of a text, without LF or CRLF, and without an empty one after the last line's end. */
export function splitLines(text: string): string[] {
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function encodingError(file: string, bytes: Buffer): BidoraError {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return new BidoraError("ENCODING", `${file} line 1: the file is UTF-16, but UTF-8 is expected: save it as UTF-8.`);
  }
  const { line, byte } = firstBadByte(bytes);
  const hex = byte.toString(16).toUpperCase().padStart(2, "0");
  return new BidoraError(
    "ENCODING",
    `${file} line ${line}: byte 0x${hex} is not UTF-8 (perhaps the file is Latin-1 or Windows-1252): save it as UTF-8.`,
  );
}

function firstBadByte(bytes: Buffer): { line: number; byte: number } {
  let start = 0;
  for (let line = 1; ; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    const part = bytes.subarray(start, end);
    if (!isUtf8(part)) {
      // The first sequence that doesn't survive decoding and encoding again is the broken one.
      const again = Buffer.from(part.toString("utf8"), "utf8");
      const at = part.findIndex((byte, i) => byte !== again[i]);
      return { line, byte: part[at] ?? 0 };
    }
    start = end;
  }
}
