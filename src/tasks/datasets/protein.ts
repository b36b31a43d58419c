import { join } from "node:path";
import { BidoraError } from "../../base/index.js";
import {
  type Dataset,
  loadTable,
  readNumber,
  rowError,
  type Table,
  type TableRow,
  type TextExample,
  type ValueReader,
} from "../data/index.js";
import { fail, readText } from "../data/table.js";
import type { NamedDatasetFacts, NamedDatasets, Split } from "./dataset.js";
import { missingFiles, namesIn } from "./files.js";

const CLASSES = { task: "sequence-classification", metrics: ["accuracy", "precision", "recall", "f1"] } as const;

/**
 * Amino-acid sequences for protein models such as ESM-2: peptides that pass the blood-brain barrier or don't (200 and 38 rows, in
 * UniDL4BioPep's division, Du et al., 2023), proteins of organisms that live hot or cold (Chen et al., 2023), and a peptide's minimum
 * inhibitory concentration for *E. coli*. A folder has either one file for each split, `BBP_train.csv` and `BBP_test.csv` (or
 * `train.csv`, `test.csv`, and `valid.csv` where there is one), or one file, `s2c2_0.csv`, with a column `set` of `train` and `test` as
 * in FLIP's files (Dallago et al., 2021), whose `validation` column marks held-out training rows: that is one of the authors' folds.
 *
 * | | sequence | label |
 * |---|---|---|
 * | `bbp` | `sequence`, `seq`, `real_seq` or `peptide` | `label`: 1 passes, 0 doesn't |
 * | `hotprotein-s2c2` | the same | `label`, `class` or `target`: 0 or 1 |
 * | `mic` | the same | `value`, `label`, `mic` or `target`: a number |
 */
export const protein = {
  "protein/bbp": {
    ...proteins({
      name: "BBP",
      stem: "BBP",
      labelColumns: ["label"],
      labelNames: ["negative", "positive"],
    }),
    ...CLASSES,
    positive: "positive",
  },
  "protein/hotprotein-s2c2": {
    ...proteins({
      name: "HotProtein's S2C2",
      stem: "S2C2",
      labelColumns: ["label", "class", "target"],
      labelNames: ["0", "1"],
    }),
    ...CLASSES,
    positive: "1",
  },
  "protein/mic": {
    ...proteins({ name: "MIC", stem: "MIC", labelColumns: ["value", "label", "mic", "target"] }),
    task: "regression",
    metrics: ["mean-squared-error", "spearman"],
  },
} as const satisfies NamedDatasets;

function proteins(set: ProteinSet): Pick<NamedDatasetFacts, "files" | "labelNames" | "labeled" | "load"> & {
  labeledIn(directory: string): Promise<readonly Split[]>;
} {
  return {
    files: "CSV files of sequences",
    labelNames: set.labelNames ?? [],
    labeled: ["train", "validation", "test"],
    labeledIn: (directory) => splitsIn(set, directory),
    load: (directory, split) => load(set, directory, split),
  };
}

interface ProteinSet {
  readonly name: string;
  /** The prefix of its file names, in any case. */
  readonly stem: string;
  /** The columns that may hold the label, in lower case. */
  readonly labelColumns: readonly string[];
  /** The names of the classes, in the order of their numbers in the files; undefined for regression. */
  readonly labelNames?: readonly string[];
}

const SPLITS = ["train", "validation", "test"] as const;
const SEQUENCE_COLUMNS = ["sequence", "seq", "real_seq", "peptide"];
/** The split of each row, if one file has them all. */
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

/** The splits that a folder has rows for. */
async function splitsIn(set: ProteinSet, directory: string): Promise<readonly Split[]> {
  const files = await filesOf(set, directory);
  if (typeof files !== "string") return SPLITS.filter((split) => files.has(split));
  const table = await loadTable(files);
  const found = new Set(table.rows.map(splitReader(table)));
  return SPLITS.filter((split) => found.has(split));
}

/** @throws BidoraError naming the missing file or column, or the line at fault, in whichever split of the file it is */
async function load(set: ProteinSet, directory: string, split: Split): Promise<Dataset<TextExample<string | number>>> {
  const files = await filesOf(set, directory);
  const file = typeof files === "string" ? files : files.get(split);
  if (file === undefined) throw missingFiles(directory, `${set.stem}_${split}.csv of ${set.name}`);
  const table = await loadTable(file);
  const sequence = columnOf(table, SEQUENCE_COLUMNS) ?? missing(table, "the sequences", SEQUENCE_COLUMNS);
  const label = columnOf(table, set.labelColumns) ?? missing(table, "the labels", set.labelColumns);
  const splitOf = typeof files === "string" ? splitReader(table) : () => split;
  const readLabel = set.labelNames === undefined ? readNumber : classReader(set.labelNames);
  const all = table.rows.map((row) => ({
    split: splitOf(row),
    example: {
      input: [readSequence(table, row, sequence)] as const,
      label: readLabel(table, row, label),
      at: { file, line: row.line },
    },
  }));
  const examples = all.filter((row) => row.split === split).map(({ example }) => example);
  if (examples.length === 0)
    throw new BidoraError("EMPTY_FILE", `${file} has no ${split} rows of ${set.name}: at least one is expected.`);
  return { examples, labelNames: set.labelNames };
}

/** One file for each split, or one for all. @throws BidoraError if there is none, or more than one fits */
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
  throw missingFiles(directory, `${stem}_train.csv of ${name}, nor a ${stem}.csv or ${stem}_0.csv with a column set`);
}

function addOnce(files: Map<Split, string>, split: Split, file: string): void {
  const other = files.get(split);
  if (other !== undefined)
    throw new BidoraError("FILE", `${other} and ${file} both have ${split} rows by their names: leave one there.`);
  files.set(split, file);
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

/** Booleans as programs write them; an empty cell is false. */
const readMark: ValueReader<boolean> = (table, row, column) => {
  const word = readText(table, row, column).trim().toLowerCase();
  if (["true", "1", "1.0"].includes(word)) return true;
  return ["", "false", "0", "0.0", "nan"].includes(word) ? false : fail(table, row, column, "True or False");
};

/** Amino acids by their letters, in upper case as in the models' vocabularies. */
const readSequence: ValueReader<string> = (table, row, column) => {
  const letters = readText(table, row, column).trim().toUpperCase();
  if (/^[A-Z]+$/.test(letters)) return letters;
  throw rowError(
    table.file,
    row.line,
    `the column ${column} must hold letters of amino acids, but holds ${JSON.stringify(letters)}.`,
  );
};

/** Accepts `1` and `1.0`. */
const classReader =
  (names: readonly string[]): ValueReader<string> =>
  (table, row, column) =>
    names[readNumber(table, row, column)] ?? fail(table, row, column, names.map((_, id) => id).join(" or "));
