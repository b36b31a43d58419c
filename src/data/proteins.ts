import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { readCsv } from "./csv.js";
import type { Dataset, TextExample } from "./example.js";
import { namesIn, noFiles, type Split } from "./setFolder.js";
import type { Table, TableRow } from "./table.js";
import { rowError } from "./textFile.js";
import { fail, readNumber, readText, type ValueReader } from "./values.js";

/** A published set of amino-acid sequences with a label each, in CSV files. */
export interface ProteinSet {
  readonly name: string;
  /** What file names begin with, in any case. */
  readonly stem: string;
  /** The columns that may hold the label, in lower case. */
  readonly labelColumns: readonly string[];
  /** Of classes the names, in the order of the numbers that stand for them; undefined for values. */
  readonly labelNames?: readonly string[];
}

const SEQUENCE_COLUMNS = ["sequence", "seq", "real_seq", "peptide"];
/** Tells the rows of one file apart, as in FLIP's files (Dallago et al., 2021), where `validation` marks some training rows. */
const SET_COLUMNS = ["set", "split"];
const WORDS: ReadonlyMap<string, Split> = new Map([
  ["train", "train"],
  ["training", "train"],
  ["valid", "validation"],
  ["val", "validation"],
  ["validation", "validation"],
  ["dev", "validation"],
  ["test", "test"],
]);

/** A row, with its split. */
interface Sequence {
  readonly split: Split;
  readonly example: TextExample<string | number>;
}

/** The splits that a folder has rows for. @throws BidoraError as reading them does */
export async function proteinSplits(set: ProteinSet, directory: string): Promise<readonly Split[]> {
  const files = await filesOf(set, directory);
  const found = new Set(
    typeof files === "string" ? (await sequencesIn(set, files)).map(({ split }) => split) : files.keys(),
  );
  return (["train", "validation", "test"] as const).filter((split) => found.has(split));
}

/**
 * The sequences of one split. A folder has a file a split (`BBP_train.csv`, or `train.csv`), or one file (`s2c2_0.csv`) with a column
 * `set` that says it.
 * @throws BidoraError naming the missing file or column, or the line at fault
 */
export async function readProteins(
  set: ProteinSet,
  directory: string,
  split: Split,
): Promise<Dataset<TextExample<string | number>>> {
  const files = await filesOf(set, directory);
  const file = typeof files === "string" ? files : files.get(split);
  if (file === undefined) throw noFiles(directory, `${set.stem}_${split}.csv of ${set.name}`);
  const all = await sequencesIn(set, file, typeof files === "string" ? undefined : split);
  const examples = all.filter((sequence) => sequence.split === split).map(({ example }) => example);
  if (examples.length === 0)
    throw new BidoraError("EMPTY_FILE", `${file} has no ${split} rows of ${set.name}: at least one is expected.`);
  return { examples, labelNames: set.labelNames };
}

/** A file for each split, or one for all. @throws BidoraError where there is none, or one can't be told from others */
async function filesOf({ name, stem }: ProteinSet, directory: string): Promise<ReadonlyMap<Split, string> | string> {
  const names = await namesIn(directory);
  const files = new Map<Split, string>();
  const whole: string[] = [];
  for (const file of names) {
    const [, before = "", word = ""] = /^(?:(.*)_)?([a-z0-9]+)\.csv$/.exec(file.toLowerCase()) ?? [];
    const split = WORDS.get(word);
    const isOwn = [before, word].some((part) => part === stem.toLowerCase());
    if (split && (before === "" || isOwn)) addOnce(files, split, join(directory, file));
    else if (isOwn) whole.push(file);
  }
  if (files.size > 0) return files;
  const [only, other] = whole;
  if (other !== undefined)
    throw new BidoraError(
      "FILE",
      `${directory} has several files of ${name} (${whole.join(", ")}): leave one of these folds there.`,
    );
  if (only !== undefined) return join(directory, only);
  throw noFiles(directory, `${stem}_train.csv of ${name}, nor a ${stem}.csv or ${stem}_0.csv with a column set`);
}

function addOnce(files: Map<Split, string>, split: Split, file: string): void {
  const other = files.get(split);
  if (other !== undefined)
    throw new BidoraError("FILE", `${other} and ${file} both have ${split} rows by their names: leave one there.`);
  files.set(split, file);
}

async function sequencesIn(set: ProteinSet, file: string, split?: Split): Promise<Sequence[]> {
  const table = await readCsv(file);
  const sequence = columnOf(table, SEQUENCE_COLUMNS) ?? missing(table, "the sequences", SEQUENCE_COLUMNS);
  const label = columnOf(table, set.labelColumns) ?? missing(table, "the labels", set.labelColumns);
  const readSplit = split === undefined ? splitReader(table) : () => split;
  const readLabel = set.labelNames === undefined ? readNumber : classReader(set.labelNames);
  return table.rows.map((row) => ({
    split: readSplit(row),
    example: {
      input: [readSequence(table, row, sequence)],
      label: readLabel(table, row, label),
      at: { file, line: row.line },
    },
  }));
}

function columnOf({ columns }: Table, names: readonly string[]): string | undefined {
  return names.flatMap((name) => columns.filter((column) => column.trim().toLowerCase() === name))[0];
}

function missing({ file, columns }: Table, what: string, names: readonly string[]): never {
  const expected = names.length > 1 ? `one of the columns ${names.join(", ")}` : `a column ${names[0]}`;
  throw new BidoraError("UNKNOWN_COLUMN", `${file} must have ${expected} for ${what}; it has ${columns.join(", ")}.`);
}

function splitReader(table: Table): (row: TableRow) => Split {
  const column = columnOf(table, SET_COLUMNS) ?? missing(table, "the split of each row", SET_COLUMNS);
  const flag = columnOf(table, ["validation"]);
  return (row) => {
    const split = WORDS.get(readText(table, row, column).trim().toLowerCase());
    if (split === undefined) return fail(table, row, column, "train, validation or test");
    const isHeldOut = flag !== undefined && readMark(table, row, flag);
    return split === "train" && isHeldOut ? "validation" : split;
  };
}

/** As programs write truth: nothing where it was never said. */
const readMark: ValueReader<boolean> = (table, row, column) => {
  const word = readText(table, row, column).trim().toLowerCase();
  if (["true", "1", "1.0"].includes(word)) return true;
  return ["", "false", "0", "0.0", "nan"].includes(word) ? false : fail(table, row, column, "True or False");
};

/** Amino acids by their letters, which models know in upper case. */
const readSequence: ValueReader<string> = (table, row, column) => {
  const letters = readText(table, row, column).trim().toUpperCase();
  if (/^[A-Z]+$/.test(letters)) return letters;
  throw rowError(
    table.file,
    row.line,
    `the column ${column} must hold letters of amino acids, but holds ${JSON.stringify(letters)}.`,
  );
};

/** `1` and `1.0` alike. */
const classReader =
  (names: readonly string[]): ValueReader<string> =>
  (table, row, column) =>
    names[readNumber(table, row, column)] ?? fail(table, row, column, names.map((_, id) => id).join(" or "));
