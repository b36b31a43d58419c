/** Rows of a file by their numbers, and the file with one row changed. */
import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { sizeOf, writeFailure } from "../../../base/index.js";
import { temporaryPath } from "../../../base/records/index.js";
import { parseObject } from "../../../tasks/data/index.js";
import type { RowIndex } from "./rowIndex.js";

export interface Row {
  /** From 0. */
  readonly number: number;
  readonly line: number;
  /** Undefined for a line that holds no JSON object, or one with a key twice. */
  readonly values: Readonly<Record<string, unknown>> | undefined;
  readonly text: string;
}

/** The bytes of a row, from its first to that of the next row. */
function placeOf({ data: { starts } }: RowIndex, row: number, size: number): readonly [from: number, to: number] {
  return [starts[row]!, starts[row + 1] ?? size];
}

/** Reads rows that may be anywhere in the file. */
export async function readRows(path: string, index: RowIndex, rows: readonly number[]): Promise<readonly Row[]> {
  if (rows.length === 0) return [];
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const read: Row[] = [];
    for (const row of rows) read.push(rowOf(index, row, await textAt(file, placeOf(index, row, size))));
    return read;
  } finally {
    await file.close();
  }
}

async function textAt(file: FileHandle, [from, to]: readonly [number, number]): Promise<string> {
  const bytes = Buffer.alloc(Math.max(0, to - from));
  const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
  return bytes
    .toString("utf8", 0, bytesRead)
    .split("\n", 1)[0]!
    .replace(/^\uFEFF|\r$/g, "");
}

function rowOf({ data }: RowIndex, number: number, text: string): Row {
  return { number, line: data.lines[number]!, values: valuesIn(text), text };
}

function valuesIn(text: string): Row["values"] {
  try {
    return parseObject("", 0, text);
  } catch {
    return undefined;
  }
}

/** Writes the file with another text in place of a row, whole or not at all. @throws BidoraError `WRITE` */
export async function writeWithRow(
  { path, index, row }: { readonly path: string; readonly index: RowIndex; readonly row: number },
  text: string,
  target: string,
): Promise<void> {
  const [from, to] = placeOf(index, row, sizeOf(path));
  const parts = async function* () {
    if (from > 0) yield* createReadStream(path, { end: from - 1 });
    yield Buffer.from(`${text}\n`);
    if (to < sizeOf(path)) yield* createReadStream(path, { start: to });
  };
  await writeStream(Readable.from(parts()), target);
}

/** Writes what comes under a temporary name, and renames it in the end: a stream that breaks off leaves nothing. @throws BidoraError `WRITE` */
export async function writeStream(source: Readable, target: string, check: () => void = () => {}): Promise<void> {
  const temporary = temporaryPath(target);
  try {
    await pipeline(source, createWriteStream(temporary, { flags: "wx", flush: true }));
    check();
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeFailure(target, error);
  }
}
