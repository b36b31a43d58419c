/** The first sheet of an Excel file as a table of texts, as the same rows in CSV would be. */
import { readFile } from "node:fs/promises";
import { BidoraError, firstRepeated, oneLine } from "../../../../base/index.js";
import type { Table } from "../../../../tasks/data/index.js";

/** The ending of the files that are read; older ones (.xls) have another format. */
export const EXCEL = ".xlsx";

type Cell = string | number | boolean | Date | null;

/** @throws BidoraError for a file that is no Excel file, or whose first row does not name the columns */
export async function readExcel(file: string, onNote: (note: string) => void, hasHeader = true): Promise<Table> {
  const sheets = await sheetsOf(file);
  const [first] = sheets;
  if (!first) throw new BidoraError("EMPTY_FILE", `${file} has no sheet.`);
  if (sheets.length > 1)
    onNote(
      `${sheets.length} sheets: the rows are those of the first, ${oneLine(first.name)}. To use another, make it the first or save it as a file.`,
    );
  const cells = first.cells.map((row) => row.map(textOf));
  const [header = [], ...rows] = hasHeader ? cells : [namesFor(cells), ...cells];
  const columns = columnsIn(file, header, rows);
  const table = rows
    .map((cells, i) => ({
      line: i + (hasHeader ? 2 : 1),
      values: Object.fromEntries(columns.map(({ name, at }) => [name, cells[at] ?? ""])),
    }))
    .filter(({ values }) => Object.values(values).some((value) => value !== ""));
  if (table.length === 0)
    throw new BidoraError("EMPTY_FILE", `${file} has no rows below the names of the columns in its first sheet.`);
  return { file, columns: columns.map(({ name }) => name), rows: table };
}

/** Names for columns without any. */
const namesFor = ([first = []]: readonly (readonly string[])[]): string[] => first.map((_, i) => `column${i + 1}`);

async function sheetsOf(file: string): Promise<readonly { name: string; cells: readonly (readonly Cell[])[] }[]> {
  const { default: readXlsxFile } = await import("read-excel-file/universal");
  try {
    const bytes = await readFile(file);
    const sheets = await readXlsxFile(new Blob([bytes]));
    return sheets.map(({ sheet, data }) => ({ name: sheet, cells: data as unknown as Cell[][] }));
  } catch (cause) {
    throw new BidoraError(
      "BAD_FILE",
      `${file} can't be read as an Excel file (.xlsx): ${oneLine((cause as Error).message)}.`,
      {
        cause,
      },
    );
  }
}

function textOf(cell: Cell): string {
  if (cell === null || cell === undefined) return "";
  if (!(cell instanceof Date)) return String(cell);
  const time = cell.toISOString();
  return time.endsWith("T00:00:00.000Z") ? time.slice(0, 10) : time;
}

interface NamedColumn {
  readonly name: string;
  readonly at: number;
}

/** The columns with a name; one without name and values is nothing. */
function columnsIn(
  file: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly NamedColumn[] {
  const width = rows.reduce((most, { length }) => Math.max(most, length), header.length);
  const all = Array.from({ length: width }, (_, at) => ({ name: (header[at] ?? "").trim(), at }));
  const nameless = all.find(({ name, at }) => name === "" && rows.some((row) => (row[at] ?? "") !== ""));
  if (nameless)
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${file}: the column ${letters(nameless.at)} has values but no name: the first row must name the columns, such as text and label.`,
    );
  const named = all.filter(({ name }) => name !== "");
  const twice = firstRepeated(named.map(({ name }) => name));
  if (twice === undefined) return named;
  throw new BidoraError(
    "BAD_FILE",
    `${file}: the first row has the column ${JSON.stringify(twice)} twice: rename one of them.`,
  );
}

/** The name that spreadsheets give a column: A to Z, AA, … */
const letters = (column: number): string =>
  column < 26 ? String.fromCharCode(65 + column) : letters(Math.floor(column / 26) - 1) + letters(column % 26);
