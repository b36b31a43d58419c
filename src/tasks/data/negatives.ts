/** Negatives beside a positive text. */
import { own } from "../../base/index.js";
import { isAbsent, readStrings, readText, type Table, type TableRow } from "./table.js";

const NEGATIVE = /^negatives?$|^negative_\d+$/;

/** The columns of negatives, by their usual names. */
export const negativeColumns = ({ columns }: Pick<Table, "columns">): readonly string[] =>
  columns.filter((name) => NEGATIVE.test(name));

/** The negatives in some columns of a row, each of which may hold one, a list, or none. */
export const readNegatives = (table: Table, row: TableRow, columns: readonly string[]): readonly string[] =>
  columns.flatMap((column) => {
    const value = own(row.values, column);
    if (isAbsent(value)) return [];
    return Array.isArray(value) ? readStrings(table, row, column) : [readText(table, row, column)];
  });
