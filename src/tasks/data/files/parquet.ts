import { isUtf8 } from "node:buffer";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { BidoraError, firstRepeated, refuseSpecialFile } from "../../../base/index.js";
import type { Table } from "../table.js";
import type { ReadLimit } from "./tableFiles.js";
import { emptyFile, fileError } from "./textFile.js";

/**
 * A Parquet file, in any of the format's compressions.
 * @throws BidoraError if the file is missing, damaged, empty, or has two columns with one name
 */
export async function readParquet(path: string, { limit }: ReadLimit = {}): Promise<Table> {
  refuseSpecialFile(path);
  const file = await asyncBufferFromFile(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  if (file.byteLength === 0) throw emptyFile(path);
  try {
    const metadata = await parquetMetadataAsync(file);
    const columns = parquetSchema(metadata).children.map((column) => column.element.name);
    const twice = firstRepeated(columns);
    if (twice !== undefined)
      throw new BidoraError("BAD_FILE", `${path} has the column ${JSON.stringify(twice)} twice: remove one of them.`);
    const rowEnd = limit === undefined ? {} : { rowEnd: limit };
    const objects = await parquetReadObjects({ file, metadata, compressors, parsers: { stringFromBytes }, ...rowEnd });
    if (objects.length === 0) throw emptyFile(path);
    const rows = objects.map((values, i) => ({ line: i + 1, values: mapValues(values) }));
    return { file: path, columns, rows };
  } catch (cause) {
    if (cause instanceof BidoraError) throw cause;
    throw new BidoraError("BAD_FILE", `${path} is not a valid Parquet file: ${faultOf(cause as Error)}.`, { cause });
  }
}

/** The reader's own words, unless they only show that something is not as its code expects. */
function faultOf({ message }: Error): string {
  return /^parquet (?!.*undefined)/.test(message) ? message.replace(/\.$/, "") : "it is damaged";
}

/** Decodes UTF-8. Other bytes are kept as they are and refused where a text is read, because a decoder would replace characters. */
const stringFromBytes = (bytes: Uint8Array): string | Uint8Array =>
  bytes && isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8") : bytes;

function mapValues(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, withNumbers(value)]));
}

/**
 * 64-bit integers as numbers, in lists and structs too. Integers beyond 2⁵³ are kept as they are and refused where a value is read: a
 * column of such ids that is not read does no harm.
 */
function withNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(withNumbers);
  return isStruct(value) ? mapValues(value) : value;
}

/** Dates and bytes are instances of other classes. */
const isStruct = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
