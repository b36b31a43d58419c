/** Whether the first line of a CSV or TSV file names the columns. */

import { own } from "../../common/collections.js";
import { BidoraError } from "../../common/errors.js";
import { rowError } from "../../data/index.js";
import { named, type Rows } from "./guess.js";
import { hasClasses } from "./labels.js";

/** Words from which a column's name is a text. */
const MOST_WORDS = 8;

/**
 * Refuses a first line that is a row. Its values would be the names of columns, and the row be lost.
 * @throws BidoraError `UNKNOWN_COLUMN` for it, `BAD_ROW` for a header that is repeated
 */
export function checkHeader({ table, columns }: Rows): void {
  if (!/\.(csv|tsv)$/i.test(table.file)) return;
  const again = table.rows.find(({ values }) => table.columns.every((name) => own(values, name) === name));
  if (again) throw rowError(table.file, again.line, "the line repeats the names of the columns: remove it.");
  // pandas numbers columns without names
  if (table.columns.every((name, i) => name === String(i))) return;
  const row = columns.find((column) => isValue(column.name) || (hasClasses(column) && column.counts.has(column.name)));
  if (!row) return;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: its first line looks like a row, with ${JSON.stringify(named(row))}: put a line with the names of the columns before it, such as text and label.`,
  );
}

const isValue = (name: string): boolean =>
  name.trim().split(/\s+/).length >= MOST_WORDS || /^-?\d+(\.\d+)?$/.test(name);
