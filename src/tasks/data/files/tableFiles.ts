/** Tables in text files: CSV, TSV and JSONL. */
import { constants } from "node:buffer";
import { pipeline } from "node:stream/promises";
import { BidoraError, type CallContext, duplicateKeyIn, firstRepeated } from "../../../base/index.js";
import type { Table, TableRow } from "../table.js";
import { columnCount, emptyFile, hasCharacter, type OnBytes, readLines, readText, rowError } from "./textFile.js";

/** How much of a file is read, and who is told how much has been. */
export interface ReadLimit {
  readonly onBytes?: OnBytes;
  /** Only so many rows, from the first; by default all. */
  readonly limit?: number | undefined;
}

interface CsvOptions extends ReadLimit, Pick<CallContext, "onNote"> {
  /** The column names of a file without a header row. */
  readonly header?: readonly string[] | undefined;
}

/**
 * Comma-separated values with quotes as in RFC 4180: a quoted field may contain commas, doubled quotes and line breaks. Where the header
 * and the first rows have semicolons or tabs instead, these separate, and a note says so.
 * @throws BidoraError naming a line that breaks these rules or has another number of columns
 */
export async function readCsv(file: string, options: CsvOptions = {}): Promise<Table> {
  const separator = await separatorIn(file, options.header);
  if (separator.sign !== ",") options.onNote?.(`${file}: its columns are separated by ${separator.name}.`);
  return readTable(file, { delimiter: separator.sign, quote: '"' }, options);
}

/** What separates columns, in the order of preference: programs write semicolons where the comma is the decimal sign. */
const SEPARATORS = [
  { sign: ",", name: "commas" },
  { sign: ";", name: "semicolons" },
  { sign: "\t", name: "tabs" },
] as const;

/**
 * The separator that gives the header several columns, and of several such ones that with which more of the first rows have as many
 * columns, or else more columns; the comma if there is none.
 * @param header the column names of a file without a header row
 */
async function separatorIn(file: string, header: readonly string[] | undefined): Promise<(typeof SEPARATORS)[number]> {
  let best: (typeof SEPARATORS)[number] = SEPARATORS[0];
  let [share, columns] = [0, 0];
  for (const separator of SEPARATORS) {
    const [first = [], ...rest] = await firstRecords(file, { delimiter: separator.sign, quote: '"' });
    const rows = header === undefined ? rest : [first, ...rest];
    const width = header?.length ?? first.length;
    const fitting = rows.length === 0 ? 1 : rows.filter((row) => row.length === width).length / rows.length;
    if (width <= 1 || fitting < share || (fitting === share && width <= columns)) continue;
    best = separator;
    [share, columns] = [fitting, width];
  }
  return best;
}

/** Enough to tell what separates the columns. */
const HEAD_RECORDS = 50;

/** The first records of a file, up to one that can't be read. */
async function firstRecords(file: string, dialect: Dialect): Promise<readonly (readonly string[])[]> {
  const records: (readonly string[])[] = [];
  try {
    await readRecords(file, dialect, (_, fields) => {
      if (records.length === HEAD_RECORDS) throw new EnoughRows();
      records.push(fields);
    });
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
  }
  return records;
}

/**
 * Tab-separated values. Some programs quote fields as in CSV, others write quotes as plain characters. Quotes are taken as plain
 * characters where each line is a row and not all quotes follow CSV's rules.
 * @throws BidoraError naming a line with another number of columns
 */
export async function readTsv(file: string, options: CsvOptions = {}): Promise<Table> {
  const plain = await attempt(readTable(file, { delimiter: "\t", quote: false }, options));
  const quoted = (await hasCharacter(file, '"'))
    ? await attempt(readTable(file, { delimiter: "\t", quote: '"' }, options))
    : plain;
  if (plain instanceof TableError && quoted instanceof TableError) throw plain.line > quoted.line ? plain : quoted;
  if (plain instanceof TableError) return quoted as Table;
  return quoted instanceof TableError || quoted.rows.length < plain.rows.length ? plain : quoted;
}

/**
 * Tab-separated values with quotes as plain characters, as in GLUE's files.
 * @throws BidoraError naming a line with another number of columns
 */
export async function readPlainTsv(file: string, options: PlainTsvOptions = {}): Promise<Table> {
  return readTable(file, { delimiter: "\t", quote: false }, options);
}

interface PlainTsvOptions extends CsvOptions {
  /** Skips rows with too few columns. */
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

async function attempt(reading: Promise<Table>): Promise<Table | TableError> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof TableError) return error;
    throw error;
  }
}

async function readTable(file: string, dialect: Dialect, options: PlainTsvOptions): Promise<Table> {
  const table = new TableBuilder(file, options);
  const take = (line: number, fields: readonly string[]) => {
    if (table.isFull) throw new EnoughRows();
    table.add(line, fields);
  };
  await readRecords(file, dialect, take, options.onBytes);
  return table.finish();
}

/** Ends the reading of a file. */
class EnoughRows extends Error {}

/** Collects the rows of one table; the first is the header unless one is given. */
class TableBuilder {
  readonly #rows: TableRow[] = [];
  #header: readonly string[] | undefined;
  #isEmpty = true;

  constructor(
    readonly file: string,
    readonly options: PlainTsvOptions,
  ) {
    this.#header = options.header;
  }

  get isFull(): boolean {
    return this.#rows.length === this.options.limit;
  }

  add(line: number, fields: readonly string[]): void {
    if (this.#header === undefined) this.#header = this.#checkedHeader(fields);
    else this.#addRow(line, fields, this.#header);
  }

  finish(): Table {
    if (this.#isEmpty) throw emptyFile(this.file);
    return { file: this.file, columns: this.#header!, rows: this.#rows };
  }

  #checkedHeader(header: readonly string[]): readonly string[] {
    const twice = firstRepeated(header);
    if (twice === undefined) return header;
    throw new TableError(1, this.file, `the header has the column ${JSON.stringify(twice)} twice.`);
  }

  #addRow(line: number, fields: readonly string[], header: readonly string[]): void {
    if (fields.length < header.length && this.options.skipShortRows) return;
    this.#isEmpty = false;
    if (fields.length !== header.length) {
      const what = this.options.header === undefined ? "the header has" : "there should be";
      throw new TableError(line, this.file, `${columnCount(fields.length)}, but ${what} ${header.length}.`);
    }
    this.#rows.push({ line, values: Object.fromEntries(header.map((name, i) => [name, fields[i]])) });
  }
}

/** Takes the fields of a record, which begins in the line. */
type Take = (line: number, fields: readonly string[]) => void;

async function readRecords(file: string, dialect: Dialect, take: Take, onBytes?: OnBytes): Promise<void> {
  const { quote } = dialect;
  if (quote === false) return readPlainRecords(file, dialect, take, onBytes);
  return readQuotedRecords(file, { ...dialect, quote }, take, onBytes);
}

/** Without quotes a line is a record. The parser reads byte by byte, and takes several times as long. */
async function readPlainRecords(file: string, { delimiter }: Dialect, take: Take, onBytes?: OnBytes): Promise<void> {
  let line = 0;
  try {
    for await (const lines of readLines(file, undefined, onBytes))
      for (const text of lines) {
        line++;
        if (text !== "") take(line, text.split(delimiter));
      }
  } catch (error) {
    if (!(error instanceof EnoughRows)) throw error;
  }
}

async function readQuotedRecords(file: string, dialect: Dialect, take: Take, onBytes?: OnBytes): Promise<void> {
  let line = 1;
  let blank = 0;
  // Lines are counted here, because the parser counts a CRLF inside quotes twice.
  const onRecord = (fields: string[], info: { empty_lines: number }) => {
    line += info.empty_lines - blank;
    blank = info.empty_lines;
    take(line, fields);
    line += 1 + fields.reduce((sum, field) => sum + (field.includes("\n") ? field.split("\n").length - 1 : 0), 0);
    return null;
  };
  const shared = { record_delimiter: ["\r\n", "\n"], relax_column_count: true, skip_empty_lines: true };
  const limits = { max_record_size: constants.MAX_STRING_LENGTH };
  const { CsvError, parse } = await import("csv-parse");
  const parser = parse({ ...dialect, ...shared, ...limits, on_record: onRecord });
  parser.resume();
  try {
    await pipeline(readText(file, undefined, onBytes), parser);
  } catch (cause) {
    if (cause instanceof EnoughRows) return;
    if (cause instanceof CsvError) throw new TableError(line, file, recordFault(cause.code));
    throw cause;
  }
}

function recordFault(code: string): string {
  if (code === "CSV_MAX_RECORD_SIZE") return "the row is too long.";
  if (code === "CSV_QUOTE_NOT_CLOSED") return "a quote is opened in this row and never closed.";
  return "a field contains a quote: put the whole field in quotes and double each quote inside it.";
}

/**
 * One JSON object per line; blank lines are skipped. The columns are all keys that occur.
 * @throws BidoraError naming a line that is not an object, or has a key twice in one object
 */
export async function readJsonl(file: string, { limit, onBytes }: ReadLimit = {}): Promise<Table> {
  const rows: TableRow[] = [];
  const columns = new Set<string>();
  let number = 0;
  for await (const lines of readLines(file, undefined, onBytes)) {
    for (const line of lines) {
      number++;
      if (line.trim() === "") continue;
      if (rows.length === limit) return { file, columns: [...columns], rows };
      if (rows.length === 0 && line.trimStart().startsWith("[")) throw arrayError(file, number);
      const values = parseObject(file, number, line);
      for (const column of Object.keys(values)) columns.add(column);
      rows.push({ line: number, values });
    }
  }
  return { file, columns: [...columns], rows };
}

function arrayError(file: string, line: number): BidoraError {
  return new BidoraError(
    "BAD_FILE",
    `${file} line ${line}: expected one JSON object per line (JSONL), but a JSON array begins.`,
  );
}

/** A row of JSONL. @throws BidoraError for a line that is not an object, or has a key twice in one object */
export function parseObject(file: string, line: number, json: string): TableRow["values"] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw rowError(file, line, `not valid JSON (${(cause as Error).message}); each line must hold one JSON object.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw rowError(file, line, 'expected a JSON object, such as {"text": "…", "label": "…"}.');
  const twice = duplicateKeyIn(json, value);
  if (twice === undefined) return value as TableRow["values"];
  throw rowError(file, line, `an object has the key ${JSON.stringify(twice)} twice: remove one of them.`);
}
