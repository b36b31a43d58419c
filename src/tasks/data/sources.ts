/** Where training rows come from: a column of their file. */
import { BidoraError, byCodePoint, own } from "../../base/index.js";
import type { Location } from "./example.js";
import { loadTable } from "./loadExamples.js";
import { isAbsent } from "./table.js";

/** The sources of a file's rows. */
export class Sources {
  /** In the order of their names. */
  readonly names: readonly string[];
  readonly #indices: ReadonlyMap<string, number>;

  /** @param byLine the source of each row, by its line */
  constructor(
    readonly file: string,
    readonly byLine: ReadonlyMap<number, string>,
  ) {
    this.names = [...new Set(byLine.values())].sort(byCodePoint);
    this.#indices = new Map(this.names.map((name, index) => [name, index]));
  }

  /** The number of a row's source, from 0; undefined for rows of other files. */
  indexOf({ file, line }: Location): number | undefined {
    const name = file === this.file ? this.byLine.get(line) : undefined;
    return name === undefined ? undefined : this.#indices.get(name);
  }
}

/**
 * Reads the sources of a file's rows: texts, or numbers as texts.
 * @throws BidoraError `UNKNOWN_COLUMN` for a column that no row has, `NO_SOURCE` for a row without a source, or for one source alone
 */
export async function readSources(file: string, column: string): Promise<Sources> {
  const { columns, rows } = await loadTable(file);
  if (!columns.includes(column))
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${file} has no column ${column}, which --source-column names: it has ${columns.join(", ")}.`,
    );
  const without = rows.find(({ values }) => isAbsent(own(values, column)));
  if (without)
    throw new BidoraError(
      "NO_SOURCE",
      `${file} line ${without.line} has no source: give every training row a value in the column ${column}.`,
    );
  const sources = new Sources(file, new Map(rows.map(({ line, values }) => [line, textOf(own(values, column))])));
  if (sources.names.length > 1) return sources;
  throw new BidoraError(
    "NO_SOURCE",
    `All rows of ${file} have the source ${sources.names[0] ?? ""} in the column ${column}: --upper sources weights two or more.`,
  );
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
