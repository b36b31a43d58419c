/** Files that would be read as something else here: without a line that names the columns, or in the form that another trainer takes. */

import { BidoraError, own, UsageError } from "../../base/index.js";
import { rowError, type Table } from "../../tasks/data/index.js";
import type { Column } from "./columns.js";
import { columnName, type Guessed, listed, type Rows } from "./guess.js";
import { hasClasses } from "./labels.js";
import { PREFERENCE_TASKS, preferenceColumns } from "./structuredRows.js";

/** Words from which a column's name is a text. */
const MOST_WORDS = 8;

/**
 * Refuses a first line that is a row. Its values would be the names of columns, and the row be lost.
 * @throws BidoraError `UNKNOWN_COLUMN` for it, `BAD_ROW` for a header that is repeated
 */
export function checkHeader({ table, columns }: Rows): void {
  if (!/\.(csv|tsv|xlsx)$/i.test(table.file)) return;
  checkSeparator(table);
  const again = table.rows.find(({ values }) => table.columns.every((name) => own(values, name) === name));
  if (again) throw rowError(table.file, again.line, "the line repeats the names of the columns: remove it.");
  // pandas numbers columns without names
  if (table.columns.every((name, i) => name === String(i))) return;
  const row = columns.find((column) => isValue(column.name) || (hasClasses(column) && column.counts.has(column.name)));
  if (!row) return;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: its first line looks like a row, with ${JSON.stringify(columnName(row))}: put a line with the names of the columns before it, such as text and label.`,
  );
}

/** @throws BidoraError `BAD_FILE` for one column that is a whole line with a separator that files of this name don't have */
function checkSeparator({ file, columns: [only = "", ...more] }: Table): void {
  if (file.toLowerCase().endsWith(".xlsx")) return;
  const isTsv = file.toLowerCase().endsWith(".tsv");
  const other = more.length > 0 ? undefined : (isTsv ? [";", ",", "|"] : ["|"]).find((sign) => only.includes(sign));
  if (other === undefined) return;
  const known = other === "|" ? "save it with commas" : "give it a name that ends in .csv";
  throw new BidoraError(
    "BAD_FILE",
    `${file}: its columns seem to be separated by ${JSON.stringify(other)}, but a ${file.slice(-4)} file has ${isTsv ? "tabs" : "commas, semicolons or tabs"}: ${known}.`,
  );
}

const isValue = (name: string): boolean =>
  name.trim().split(/\s+/).length >= MOST_WORDS || /^-?\d+(\.\d+)?$/.test(name);

/** Refuses rows in a form of other trainers. @throws UsageError that says what to do */
export function refuseOtherForms({ table, columns }: Rows, { task, textColumns }: Guessed): void {
  const column = (name: string): Column | undefined => columns.find((one) => one.name === name);
  const has = (name: string): boolean => column(name) !== undefined;
  const coded = ["messages", "tokens", "words", "conversations"].map(column).find((one) => one && isCode(one));
  if (coded)
    throw new UsageError(
      `${table.file}: ${columnName(coded)} holds lists as text, such as ${String(coded.values[0]).slice(0, 20)}…: write the rows as a .jsonl or .parquet file.`,
    );
  if (textColumns) return;
  const preferences = preferenceColumns({ table, columns });
  if (preferences && task !== undefined && !PREFERENCE_TASKS.includes(task))
    throw new UsageError(
      `${table.file}: ${listed(preferences)} are preferences, which --task ${task} does not learn from: use --task preference or reward, or keep the good answers alone, as prompt and completion.`,
    );
  if (has("conversations") && !has("messages"))
    throw new UsageError(
      `${table.file}: conversations are expected in a column messages, each a list of {"role", "content"}: rename conversations, from and value.`,
    );
}

const isCode = ({ values }: Column): boolean =>
  values.length > 0 && values.every((value) => typeof value === "string" && value.trimStart().startsWith("["));
