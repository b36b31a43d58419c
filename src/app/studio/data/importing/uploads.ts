/** Files that are sent by a page: written as they come, under a name that is free. */
import { existsSync } from "node:fs";
import { extname } from "node:path";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { BidoraError, oneLine } from "../../../../base/index.js";
import { ROW_FORMATS } from "../../../../tasks/data/index.js";
import { firstFree, type StudioFolder } from "../../folder.js";
import { writeStream } from "../rowFile.js";
import { EXCEL } from "./excel.js";

/** The endings of files that can be sent. */
export const FORMATS: readonly string[] = [...ROW_FORMATS, EXCEL];

/** A file in `rows`, and the one that its rows will be in. */
export interface RowsNames {
  readonly source: string;
  readonly rows: string;
}

/** Names for a file called so by its user. Neither is taken; both are the same for JSONL. @throws BidoraError `STUDIO` for another format */
export function namesFor(folder: StudioFolder, given: string): RowsNames {
  const extension = extname(given).toLowerCase();
  if (!FORMATS.includes(extension))
    throw new BidoraError(
      "STUDIO",
      `${oneLine(given) || "The file"} has no rows that are read here: its name must end in one of ${FORMATS.join(", ")}.`,
    );
  const stem = stemOf(given.slice(0, given.length - extension.length));
  const endings = [extension, ".jsonl"];
  const name = firstFree(stem, (one) => endings.every((ending) => !existsSync(folder.at("rows", one + ending))));
  return { source: `${name}${extension}`, rows: `${name}.jsonl` };
}

/** Letters, digits and some signs of a name; a path's last part, with hyphens for spaces. */
function stemOf(name: string): string {
  const last = name.split(/[/\\]/).at(-1)!.normalize("NFC");
  const plain = last.replace(/[^\p{L}\p{N}_.+-]+/gu, "-").replace(/^[^\p{L}\p{N}_]+|[^\p{L}\p{N}_]+$/gu, "");
  return Array.from(plain).slice(0, 60).join("") || "rows";
}

/** Writes what a request brings. @throws BidoraError for one that breaks off, and for a full disk: nothing is left then */
export async function saveUpload(request: Request, target: string): Promise<void> {
  const length = Number(request.headers.get("content-length") ?? Number.NaN);
  let size = 0;
  const counted = async function* () {
    if (!request.body) return;
    for await (const chunk of Readable.fromWeb(request.body as ReadableStream<Uint8Array>)) {
      size += (chunk as Uint8Array).length;
      yield chunk;
    }
  };
  const check = () => {
    if (size === 0) throw new BidoraError("STUDIO", "The file is empty: it must hold at least one row.");
    if (size < length) throw new BidoraError("STUDIO", "The file did not come whole: send it again.");
  };
  await writeStream(Readable.from(counted()), target, check);
}

/** The ending that fits a text that was pasted. */
export function formatOf(text: string): ".jsonl" | ".tsv" | ".csv" {
  const [first = ""] = text.trimStart().split("\n", 1);
  if (/^[{[]/.test(first)) return ".jsonl";
  return first.includes("\t") ? ".tsv" : ".csv";
}
