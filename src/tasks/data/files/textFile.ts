/** UTF-8 files read in chunks, and the errors of files and rows. */
import { constants, isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { BidoraError, refuseSpecialFile } from "../../../base/index.js";
import { where } from "../example.js";

/** How much of a file is read at once. */
const CHUNK_BYTES = 2 ** 20;
const LF = 0x0a;
const CR = 0x0d;

/** Called with the number of bytes of each chunk that is read. */
export type OnBytes = ((count: number) => void) | undefined;

/**
 * The lines of a UTF-8 file in chunks, so that a file can be larger than memory or a string; without line ends, a byte-order mark, and
 * an empty line after the last line's end.
 * @throws BidoraError if the file is missing, blank, not UTF-8 (naming the line), or has CR line ends
 */
export async function* readLines(
  file: string,
  chunkBytes?: number,
  onBytes?: OnBytes,
): AsyncGenerator<readonly string[]> {
  for await (const text of readText(file, chunkBytes, onBytes)) {
    const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
    if (lines.at(-1) === "") lines.pop();
    yield lines;
  }
}

/** The same as texts of whole lines. @throws as `readLines` */
export async function* readText(file: string, chunkBytes = CHUNK_BYTES, onBytes?: OnBytes): AsyncGenerator<string> {
  let line = 1;
  let isBlank = true;
  for await (const bytes of wholeLines(file, chunkBytes)) {
    onBytes?.(bytes.length);
    if (!isUtf8(bytes)) throw encodingError(file, bytes, line);
    if (line === 1 && hasBareReturns(bytes)) throw lineEndError(file);
    if (bytes.length > constants.MAX_STRING_LENGTH) throw rowError(file, line, "the line is too long for one row.");
    const text = bytes.toString("utf8");
    const start = line === 1 && text.startsWith("\uFEFF") ? 1 : 0;
    isBlank &&= text.trim() === "";
    yield start === 0 ? text : text.slice(start);
    line += countLines(bytes);
  }
  if (isBlank) throw emptyFile(file);
}

/** Whether a file contains an ASCII character. */
export async function hasCharacter(file: string, character: string): Promise<boolean> {
  for await (const chunk of readChunks(file, CHUNK_BYTES)) if (chunk.includes(character)) return true;
  return false;
}

/** A file's bytes in chunks of whole lines. */
async function* wholeLines(file: string, chunkBytes: number): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  for await (const chunk of readChunks(file, chunkBytes)) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) {
      yield Buffer.concat([...open, chunk.subarray(0, end)]);
      open = [];
    }
    if (end < chunk.length) open.push(chunk.subarray(end));
  }
  if (open.length > 0) yield Buffer.concat(open);
}

async function* readChunks(file: string, chunkBytes: number): AsyncGenerator<Buffer> {
  refuseSpecialFile(file);
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) yield chunk as Buffer;
  } catch (cause) {
    throw fileError(file, cause);
  }
}

/** Why a file can't be opened, in one sentence. */
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

/** What is wrong with a row. */
export function rowError(file: string, line: number, fault: string): BidoraError {
  return new BidoraError("BAD_ROW", `${where({ file, line })}: ${fault}`);
}

export function columnCount(columns: number): string {
  return columns === 1 ? "1 column" : `${columns} columns`;
}

function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++;
  return count;
}

/** Whether the first line contains a CR before its end. */
function hasBareReturns(bytes: Buffer): boolean {
  const end = bytes.indexOf(LF);
  const first = bytes.indexOf(CR);
  return first !== -1 && first < (end === -1 ? bytes.length : end) - 1;
}

function lineEndError(file: string): BidoraError {
  return new BidoraError(
    "LINE_ENDS",
    `${file} line 1: its lines end with CR, but LF or CRLF is expected: save it with one of these, or convert it with tr '\\r' '\\n'.`,
  );
}

function encodingError(file: string, bytes: Buffer, firstLine: number): BidoraError {
  const [first, second] = bytes;
  if (firstLine === 1 && ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))) {
    return new BidoraError("ENCODING", `${file} line 1: the file is UTF-16, but UTF-8 is expected: save it as UTF-8.`);
  }
  const { line, byte } = firstBadByte(bytes, firstLine);
  const hex = byte.toString(16).toUpperCase().padStart(2, "0");
  return new BidoraError(
    "ENCODING",
    `${file} line ${line}: byte 0x${hex} is not UTF-8 (perhaps the file is Latin-1 or Windows-1252): save it as UTF-8.`,
  );
}

function firstBadByte(bytes: Buffer, firstLine: number): { line: number; byte: number } {
  let start = 0;
  for (let line = firstLine; ; line++) {
    const newline = bytes.indexOf(LF, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    const part = bytes.subarray(start, end);
    if (!isUtf8(part)) {
      // The first sequence that decoding and encoding changes is the broken one.
      const again = Buffer.from(part.toString("utf8"), "utf8");
      const at = part.findIndex((byte, i) => byte !== again[i]);
      return { line, byte: part[at] ?? 0 };
    }
    start = end;
  }
}
