import { CsvError, parse } from "csv-parse/sync";
import { BidoraError } from "../errors.js";
import type { Table, TableRow } from "./table.js";
import { columnCount, emptyFile, readTextFile, rowError } from "./textFile.js";

export interface CsvOptions {
  /** Names of the columns, for a file without a header row. */
  readonly header?: readonly string[] | undefined;
}

/**
 * Comma-separated values with RFC 4180's quotes: a quoted field may hold commas, doubled quotes and line breaks.
 * @throws BidoraError naming the line that breaks these rules or has another number of columns.
 */
export async function readCsv(file: string, options: CsvOptions = {}): Promise<Table> {
  return parseTable(file, await readTextFile(file), { delimiter: ",", quote: '"' }, options);
}

/**
 * Tab-separated values. Some writers quote fields as in CSV, others take quotes as plain characters. A file in which each
 * line is a row of its own and whose quotes don't all obey CSV's rules is taken to be of the second kind.
 * @throws BidoraError naming the line that has another number of columns.
 */
export async function readTsv(file: string, options: CsvOptions = {}): Promise<Table> {
  const text = await readTextFile(file);
  const plain = attempt(() => parseTable(file, text, { delimiter: "\t", quote: false }, options));
  const quoted = text.includes('"')
    ? attempt(() => parseTable(file, text, { delimiter: "\t", quote: '"' }, options))
    : plain;
  if (plain instanceof TableError && quoted instanceof TableError) throw plain.line > quoted.line ? plain : quoted;
  if (plain instanceof TableError) return quoted as Table;
  return quoted instanceof TableError || quoted.rows.length < plain.rows.length ? plain : quoted;
}

/** Tab-separated values whose quotes are plain characters, as GLUE's files are. Columns beyond the header's are let be. */
export async function readPlainTsv(file: string, options: PlainTsvOptions = {}): Promise<Table> {
  return parseTable(file, await readTextFile(file), { delimiter: "\t", quote: false }, options);
}

export interface PlainTsvOptions extends CsvOptions {
  /** Leaves out rows with too few columns instead of refusing them. */
  readonly skipShortRows?: boolean;
}

interface Dialect {
  readonly delimiter: string;
  readonly quote: string | false;
}

class TableError extends BidoraError {
  constructor(
    readonly line: number,
    file: string,
    fault: string,
  ) {
    super("BAD_ROW", rowError(file, line, fault).message);
  }
}

function attempt(read: () => Table): Table | TableError {
  try {
    return read();
  } catch (error) {
    if (error instanceof TableError) return error;
    throw error;
  }
}

function parseTable(file: string, text: string, dialect: Dialect, options: PlainTsvOptions): Table {
  const records = parseRecords(file, text, dialect);
  const first = options.header === undefined ? records.shift() : undefined;
  const header = options.header ?? first?.fields ?? [];
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined) throw new TableError(1, file, `the header has the column ${JSON.stringify(twice)} twice.`);
  if (records.length === 0) throw emptyFile(file);
  const rows: TableRow[] = [];
  for (const { line, fields } of records) {
    if (fields.length < header.length && options.skipShortRows) continue;
    if (fields.length !== header.length) {
      const what = options.header === undefined ? "the header has" : "there should be";
      throw new TableError(line, file, `${columnCount(fields.length)}, but ${what} ${header.length}.`);
    }
    rows.push({ line, values: Object.fromEntries(header.map((name, i) => [name, fields[i]])) });
  }
  return { file, columns: header, rows };
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

function parseRecords(file: string, text: string, dialect: Dialect): CsvRecord[] {
  const records: CsvRecord[] = [];
  let line = 1;
  let blank = 0;
  // Lines are counted here, as the parser counts a CRLF inside quotes twice.
  const keep = (fields: string[], info: { empty_lines: number }) => {
    line += info.empty_lines - blank;
    blank = info.empty_lines;
    records.push({ line, fields });
    line += 1 + fields.reduce((sum, field) => sum + (field.includes("\n") ? field.split("\n").length - 1 : 0), 0);
    return null;
  };
  try {
    const shared = { record_delimiter: ["\r\n", "\n"], relax_column_count: true, skip_empty_lines: true };
    parse(text, { ...dialect, ...shared, on_record: keep });
  } catch (cause) {
    if (cause instanceof CsvError) throw new TableError(line, file, quoteFault(cause.code));
    throw cause;
  }
  return records;
}

function quoteFault(code: string): string {
  if (code === "CSV_QUOTE_NOT_CLOSED") return "a quote opens in this row and never closes.";
  return "a quote stands inside a field: put the whole field in quotes and write each quote inside it twice.";
}
