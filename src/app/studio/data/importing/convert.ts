/** Files of rows in any format that bidora reads, and Excel's, as JSONL. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { extname } from "node:path";
import { sizeOf } from "../../../../base/index.js";
import { writeAll } from "../../../../base/records/index.js";
import { formsOfFile, loadTable, type Table } from "../../../../tasks/data/index.js";
import { columnsOf } from "../../../init/columns.js";
import { checkHeader } from "../../../init/refusals.js";
import { readSample } from "../../../init/sample.js";
import { EXCEL, readExcel } from "./excel.js";

export interface ConvertJob {
  readonly kind: "convert";
  readonly path: string;
  /** Where the rows are written; undefined for a file that has them as JSONL, and is only read. */
  readonly target?: string | undefined;
  /** Whether the first line of a table names its columns; by default it does. */
  readonly hasHeader?: boolean | undefined;
}

export interface Converted {
  /** Whether the file has one word per line, and stays as it is; then nothing is written. */
  readonly isWords: boolean;
  readonly rows: number;
  /** How the file was read, one sentence each. */
  readonly notes: readonly string[];
}

/** Enough rows to see that the first line is one of them. */
const HEAD = 5000;
/** Characters that are written at once. */
const PIECE = 2 ** 20;

/** @throws BidoraError with the reader's own sentence for a file that can't be read */
export async function convert(job: ConvertJob, onShare: (share: number) => void): Promise<Converted> {
  const { path, target, hasHeader = true } = job;
  const notes: string[] = [];
  const onNote = (note: string) => void notes.push(note);
  const extension = extname(path).toLowerCase();
  if (extension !== EXCEL && formsOfFile(path).isWords && (await readSample(path)).kind === "words")
    return { isWords: true, rows: 0, notes };
  const header = hasHeader ? undefined : await namesWithout(path, extension);
  const options = { onNote, onBytes: counter(path, onShare), ...(header && { header }) };
  const table = await (extension === EXCEL ? readExcel(path, onNote, hasHeader) : loadTable(path, options));
  const head = { ...table, rows: table.rows.slice(0, HEAD) };
  if (hasHeader) checkHeader({ table: head, columns: columnsOf(head) });
  if (target !== undefined) writeRows(table, target, { onShare, onNote });
  return { isWords: false, rows: table.rows.length, notes };
}

/** Names for the columns of a file of text without a header; undefined for one whose format has names. */
async function namesWithout(path: string, extension: string): Promise<readonly string[] | undefined> {
  if (![".csv", ".tsv"].includes(extension)) return undefined;
  const { columns } = await loadTable(path, { limit: 1 });
  return columns.map((_, i) => `column${i + 1}`);
}

/** The share of the work that is reading. */
const READING = 0.8;

/** Counts the bytes of a file as they are read; those of TSV are read twice. */
function counter(path: string, onShare: (share: number) => void): (bytes: number) => void {
  const size = sizeOf(path) * (path.toLowerCase().endsWith(".tsv") ? 2 : 1);
  let done = 0;
  return (bytes) => {
    done += bytes;
    onShare(Math.min(READING, (READING * done) / size));
  };
}

interface Listeners {
  readonly onShare: (share: number) => void;
  readonly onNote: (note: string) => void;
}

function writeRows({ rows }: Table, target: string, { onShare, onNote }: Listeners): void {
  const file = openSync(target, "wx");
  const toJson = jsonWriter(onNote);
  try {
    let [piece, done] = ["", 0];
    for (const { values } of rows) {
      piece += `${toJson(values)}\n`;
      done++;
      if (piece.length < PIECE && done < rows.length) continue;
      writeAll(file, Buffer.from(piece));
      piece = "";
      onShare(READING + ((1 - READING) * done) / rows.length);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Values of Parquet files that JSON has no form for: whole numbers of 64 bits become texts; bytes are left out, which a note says. */
function jsonWriter(onNote: (note: string) => void): (values: unknown) => string {
  let isSaid = false;
  const replaced = (name: string, value: unknown): unknown => {
    if (typeof value === "bigint") return String(value);
    if (value === Infinity || value === -Infinity) return String(value);
    if (!(value instanceof Uint8Array)) return value;
    if (!isSaid) onNote(`The column ${name} has bytes that are not text: these are left out.`);
    isSaid = true;
    return undefined;
  };
  return (values) => JSON.stringify(values, replaced);
}
