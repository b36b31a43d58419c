/** Rows as a task reads them, each with what training would refuse. */
import { BidoraError, isObject } from "../../../base/index.js";
import {
  type Example,
  exampleKey,
  parseObject,
  type Table,
  type TableRow,
  wholeKey,
} from "../../../tasks/data/index.js";
import { TASKS, type Task, type TaskKind } from "../../../tasks/index.js";

/** How rows are read. */
export interface Reading {
  /** Undefined where no task fits the rows: then all their values are the input. */
  readonly task?: TaskKind | undefined;
  readonly textColumns?: readonly string[] | undefined;
  readonly labelColumn?: readonly string[] | undefined;
  /** Columns that the file is known to have. */
  readonly columns?: readonly string[] | undefined;
  /** Whether completions tell rows apart too: where all have the same prompt. */
  readonly isWhole?: boolean;
}

/** What a row says to a model, or why it is refused. */
export interface ReadRow {
  /** Equal for rows with the same input; empty for one that is refused. */
  readonly key: string;
  /** The texts of the input and of what is to be answered. */
  readonly texts: readonly string[];
  readonly labels: readonly string[];
  readonly isLabeled: boolean;
  readonly fault?: string | undefined;
}

/** Tasks whose rows need a label. */
const LABELED: readonly TaskKind[] = [
  "sequence-classification",
  "multi-label-classification",
  "regression",
  "token-classification",
];

export const needsLabel = ({ task }: Reading): boolean => task !== undefined && LABELED.includes(task);

/** Reads the rows of one file, some after the others. */
export class RowReader {
  readonly #columns: Set<string>;

  /** @param file its name in messages */
  constructor(
    private readonly file: string,
    private readonly reading: Reading,
  ) {
    const { textColumns = [], labelColumn = [], columns = [] } = reading;
    this.#columns = new Set([...textColumns, ...(needsLabel(reading) ? labelColumn : []), ...columns]);
  }

  /** The columns of all rows that were read. */
  get columns(): readonly string[] {
    return [...this.#columns];
  }

  /** @param lines of JSON @param numbers of the lines */
  async read(lines: readonly string[], numbers: readonly number[]): Promise<readonly ReadRow[]> {
    const parsed = lines.map((line, i) => this.#parsed(line, numbers[i]!));
    const rows = parsed.filter((row) => typeof row !== "string");
    for (const { values } of rows) for (const name of Object.keys(values)) this.#columns.add(name);
    const read = new Map<number, ReadRow>();
    await this.#readTable(rows, read);
    return parsed.map((row) => (typeof row === "string" ? refused(row) : read.get(row.line)!));
  }

  /** A row, or what is wrong with the line. */
  #parsed(line: string, number: number): TableRow | string {
    try {
      return { line: number, values: parseObject(this.file, number, line) };
    } catch (error) {
      if (error instanceof BidoraError) return error.message;
      throw error;
    }
  }

  /** Reads rows together; where one is refused, by halves, so that few such rows cost little. */
  async #readTable(rows: readonly TableRow[], read: Map<number, ReadRow>): Promise<void> {
    if (rows.length === 0) return;
    try {
      for (const example of await this.#examples(rows))
        if (!read.has(example.at.line)) read.set(example.at.line, this.#readRow(example));
      for (const { line } of rows)
        if (!read.has(line)) read.set(line, refused(`${this.file} line ${line} has no example.`));
    } catch (error) {
      if (!(error instanceof BidoraError)) throw error;
      if (rows.length === 1) return void read.set(rows[0]!.line, refused(error.message));
      const half = rows.length >> 1;
      await this.#readTable(rows.slice(0, half), read);
      await this.#readTable(rows.slice(half), read);
    }
  }

  async #examples(rows: readonly TableRow[]): Promise<readonly Example[]> {
    const { task: kind, textColumns, labelColumn } = this.reading;
    const table: Table = { file: this.file, columns: this.columns, rows };
    if (kind === undefined)
      return rows.map(({ line, values }) => ({ input: values, label: undefined, at: { file: this.file, line } }));
    const task: Task = TASKS[kind];
    const { examples } = await task.read(table, {
      ...(textColumns && { textColumns }),
      ...(labelColumn && { labelColumns: labelColumn }),
      ...(needsLabel(this.reading) && { labels: "optional" as const }),
    });
    return examples;
  }

  #readRow(example: Example): ReadRow {
    return {
      key: this.reading.isWhole ? wholeKey(example) : exampleKey(example),
      texts: textsIn(example.input),
      labels: labelsIn(example.label),
      isLabeled: example.label !== undefined,
    };
  }
}

const refused = (fault: string): ReadRow => ({ key: "", texts: [], labels: [], isLabeled: false, fault });

/** All texts of an input but names of roles and of its form. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.every((part) => typeof part === "string") ? value : value.flatMap(textsIn);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, part]) => (name === "role" || name === "kind" ? [] : textsIn(part)));
}

/** The names of a label: of a class, of several ones, of those of words, or of what two answers or texts are to each other. */
function labelsIn(label: unknown): readonly string[] {
  if (typeof label === "string" || typeof label === "number") return [String(label)];
  if (Array.isArray(label)) return [...new Set(label.filter((name) => typeof name === "string"))].sort();
  if (!isObject(label)) return [];
  if (typeof label.isGood === "boolean") return [label.isGood ? "good" : "not good"];
  return typeof label.score === "number" ? [String(label.score)] : [];
}
