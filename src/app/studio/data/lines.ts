/** Lines of a file with the places of their bytes, read at once: for a thread of its own. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Whole lines that stand together in a file; blank ones are left out. */
export interface Lines {
  readonly texts: readonly string[];
  /** The byte at which each begins. */
  readonly starts: readonly number[];
  /** Their numbers, from 1. */
  readonly numbers: readonly number[];
  /** The share of the file that has been read, from 0 to 1. */
  readonly share: number;
}

const CHUNK_BYTES = 2 ** 20;
const LF = 0x0a;
const BLANK = /^\s*$/;

/** The lines of a UTF-8 file in pieces of about a megabyte. */
export function* linesOf(path: string): Generator<Lines> {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const number = { next: 1 };
    let done = 0;
    for (const bytes of wholeLines(file)) {
      yield { ...placed(bytes, done, number), share: Math.min(1, (done + bytes.length) / size) };
      done += bytes.length;
    }
  } finally {
    closeSync(file);
  }
}

function* wholeLines(file: number): Generator<Buffer> {
  let open: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(file, chunk, 0, CHUNK_BYTES, null);
    if (length === 0) break;
    const end = chunk.subarray(0, length).lastIndexOf(LF) + 1;
    if (end > 0) {
      yield Buffer.concat([...open, chunk.subarray(0, end)]);
      open = [];
    }
    if (end < length) open.push(chunk.subarray(end, length));
  }
  if (open.length > 0) yield Buffer.concat(open);
}

/** @param offset of the bytes in the file @param number of the first line, moved behind the last one */
function placed(bytes: Buffer, offset: number, number: { next: number }): Omit<Lines, "share"> {
  const [texts, starts, numbers]: [string[], number[], number[]] = [[], [], []];
  for (let at = 0; at < bytes.length; number.next++) {
    const found = bytes.indexOf(LF, at);
    const end = found === -1 ? bytes.length : found;
    const text = bytes.toString("utf8", at, end);
    const line = number.next === 1 && text.startsWith("\uFEFF") ? text.slice(1) : text;
    if (!BLANK.test(line)) {
      texts.push(line);
      starts.push(offset + at);
      numbers.push(number.next);
    }
    at = end + 1;
  }
  return { texts, starts, numbers };
}
