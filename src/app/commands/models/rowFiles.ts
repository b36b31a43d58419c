// Files with one row per result: JSON lines, and embeddings as an array of float32.
import { dirname } from "node:path";
import { makeFolder } from "../../../base/index.js";
import { writeAll, writeAtomic } from "../../../base/records/index.js";

/** How rows are written to a file. */
interface RowFormat {
  bytesOf(row: object): Uint8Array;
  /** What stands before the rows. */
  headerOf?(rows: readonly Uint8Array[]): Uint8Array;
}

/** The bytes of a row's embedding, little-endian as all processors that libtorch runs on. */
function float32(row: object): Uint8Array {
  const { embedding } = row as { readonly embedding: readonly number[] };
  return new Uint8Array(Float32Array.from(embedding).buffer);
}

/** Every format by its name for `--format`. */
export const ROW_FORMATS = {
  jsonl: { bytesOf: (row) => Buffer.from(`${JSON.stringify(row)}\n`) },
  npy: { bytesOf: float32, headerOf: npyHeader },
  f32: { bytesOf: float32 },
} satisfies Record<string, RowFormat>;

/** The header of NumPy's format, version 1.0, which ends at a multiple of 64 bytes. */
function npyHeader(rows: readonly Uint8Array[]): Uint8Array {
  const width = (rows[0]?.length ?? 0) / Float32Array.BYTES_PER_ELEMENT;
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, ${width}), }`;
  const start = Buffer.from("\x93NUMPY\x01\x00\0\0", "latin1");
  const length = 64 * Math.ceil((start.length + description.length + 1) / 64);
  start.writeUInt16LE(length - start.length, start.length - 2);
  return Buffer.concat([start, Buffer.from(`${description.padEnd(length - start.length - 1)}\n`)]);
}

/** Passes rows on; after the last one, writes all to a file. */
export async function* writtenTo<Row extends object>(
  path: string | undefined,
  rows: AsyncIterable<Row>,
  format: RowFormat = ROW_FORMATS.jsonl,
): AsyncGenerator<Row> {
  const written: Uint8Array[] = [];
  for await (const row of rows) {
    if (path !== undefined) written.push(format.bytesOf(row));
    yield row;
  }
  if (path === undefined) return;
  makeFolder(dirname(path));
  const header = format.headerOf?.(written);
  writeAtomic(path, (descriptor) => {
    for (const bytes of header ? [header, ...written] : written) writeAll(descriptor, bytes);
  });
}
