import { RefusedText } from "../text/index.js";
import type { Location } from "./example.js";
import { rowError } from "./textFile.js";

/**
 * What comes of encoding rows. Of a text that the tokenizer refuses, the row is named.
 * @param textsOf the texts of a row that are tokenised
 */
export async function namingRow<Row extends { readonly at: Location }, Result>(
  encoded: Promise<Result>,
  rows: readonly Row[],
  textsOf: (row: Row) => readonly unknown[],
): Promise<Result> {
  try {
    return await encoded;
  } catch (error) {
    const found = error instanceof RefusedText ? rows.find((row) => textsOf(row).includes(error.text)) : undefined;
    throw found ? rowError(found.at.file, found.at.line, (error as RefusedText).message) : error;
  }
}
