import type { Texts } from "../text/index.js";
import type { TextExample } from "./example.js";
import { type GlueSet, requireColumns } from "./glueSet.js";
import { loadTable } from "./load.js";
import type { Split } from "./setFolder.js";
import { fail, readNumber, readText, type ValueReader } from "./values.js";

/** Rows of a GLUE set from a Parquet file of the Hub, where labels are numbers (-1 in test rows, which have none). */
export async function readGlueParquet(
  set: GlueSet,
  labelNames: readonly string[] | undefined,
  file: string,
  split: Split,
): Promise<TextExample<string | number>[]> {
  const table = await loadTable(file);
  const columns = set.hubColumns ?? set.textColumns;
  requireColumns(set, file, table.columns, split === "test" ? columns : [...columns, "label"]);
  const readLabel = labelNames ? nameReader(labelNames) : readScore;
  return table.rows.map((row) => ({
    input: columns.map((column) => readText(table, row, column)) as unknown as Texts,
    label: split === "test" ? undefined : readLabel(table, row, "label"),
    at: { file, line: row.line },
  }));
}

const nameReader =
  (names: readonly string[]): ValueReader<string> =>
  (table, row, column) =>
    names[readNumber(table, row, column)] ?? fail(table, row, column, `a number from 0 to ${names.length - 1}`);

/** A float32 there, which stands for a score of few digits: the one that the TSV files have. */
const readScore: ValueReader<number> = (table, row, column) => Number(readNumber(table, row, column).toPrecision(7));
