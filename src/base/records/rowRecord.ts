// row-hashes.json: a sample of the keys of a run's rows, by which runs on common rows are found wherever their files are.
import { join } from "node:path";
import * as z from "zod";
import { writeFileAtomic } from "./atomic.js";
import { readOptionalJsonObject } from "./json.js";

export const ROW_RECORD = "row-hashes.json";

/** The rows of one split: their number, and the smallest of their keys. */
interface RecordedRows {
  readonly rows: number;
  readonly keys: readonly string[];
}

/** The rows of a run; `train` has those that were held out, too. */
export interface RowRecord {
  readonly train: RecordedRows;
  readonly validation?: RecordedRows;
  readonly test?: RecordedRows;
}

const recorded = z.object({ rows: z.number(), keys: z.array(z.string()) });
const schema = z.object({ train: recorded, validation: recorded.exactOptional(), test: recorded.exactOptional() });

export function writeRowRecord(folder: string, record: RowRecord): void {
  writeFileAtomic(join(folder, ROW_RECORD), `${JSON.stringify(record)}\n`);
}

/** Undefined for a run of an earlier version, which wrote none. @throws BidoraError `JSON` for a file that is not JSON */
export function readRowRecord(folder: string): RowRecord | undefined {
  const parsed = schema.safeParse(readOptionalJsonObject(join(folder, ROW_RECORD)));
  return parsed.success ? parsed.data : undefined;
}
