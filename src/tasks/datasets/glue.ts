import { join } from "node:path";
import { BidoraError } from "../../base/index.js";
import type { Texts } from "../../text/index.js";
import { readPlainTsv } from "../data/files/tableFiles.js";
import {
  type Dataset,
  loadTable,
  readNumber,
  rowError,
  type TableRow,
  type TextExample,
  type ValueReader,
} from "../data/index.js";
import { fail, readText } from "../data/table.js";
import type { NamedDatasetFacts, NamedDatasets, Split } from "./dataset.js";
import { hubFiles, missingFiles, namesIn } from "./files.js";

/** The folder and the file of the diagnostic set, which the Hub names `ax`. */
const DIAGNOSTIC = "diagnostic";

/** The number of test rows that were published, by the file in which the server takes their predictions. */
export const TEST_ROWS = {
  ...{ "CoLA.tsv": 1063, "SST-2.tsv": 1821, "MRPC.tsv": 1725, "STS-B.tsv": 1379, "QQP.tsv": 390_965 },
  ...{ "MNLI-m.tsv": 9796, "MNLI-mm.tsv": 9847, "QNLI.tsv": 5463, "RTE.tsv": 3000, "WNLI.tsv": 146, "AX.tsv": 1104 },
} as const;

/**
 * The nine sets of the benchmark and its diagnostic set (`glue/ax`, test rows for a model of `glue/mnli`), from its TSV files, or, where
 * there are none, from Parquet files named as on the Hub (`train-00000-of-00001.parquet`, in the folder itself or in one named `mrpc`, …),
 * whose label ids become the same names. Test rows have no labels. The validation rows of `glue/mnli` are the matched and the mismatched ones together; `glue/mnli-matched` and
 * `glue/mnli-mismatched` have one of the two.
 */
export const glue = {
  "glue/ax": { ...mnli("diagnostic"), labeled: [] },
  "glue/cola": set(["matthews-correlation"], ["unacceptable", "acceptable"], {
    folder: "CoLA",
    textColumns: ["sentence"],
    fileLabels: ["0", "1"],
    header: ["source", "label", "mark", "sentence"],
  }),
  "glue/mnli": mnli("matched", "mismatched"),
  "glue/mnli-matched": mnli("matched"),
  "glue/mnli-mismatched": mnli("mismatched"),
  "glue/mrpc": {
    ...set(["accuracy", "f1"], ["not_equivalent", "equivalent"], {
      folder: "MRPC",
      textColumns: ["#1 String", "#2 String"],
      hubColumns: ["sentence1", "sentence2"],
      labelColumn: "Quality",
      fileLabels: ["0", "1"],
    }),
    positive: "equivalent",
  },
  "glue/qnli": set(["accuracy"], ["entailment", "not_entailment"], {
    folder: "QNLI",
    textColumns: ["question", "sentence"],
    fileLabels: ["entailment", "not_entailment"],
  }),
  "glue/qqp": {
    ...set(["accuracy", "f1"], ["not_duplicate", "duplicate"], {
      folder: "QQP",
      textColumns: ["question1", "question2"],
      labelColumn: "is_duplicate",
      fileLabels: ["0", "1"],
      skipShortRows: true,
    }),
    positive: "duplicate",
  },
  "glue/rte": set(["accuracy"], ["entailment", "not_entailment"], {
    folder: "RTE",
    textColumns: ["sentence1", "sentence2"],
    fileLabels: ["entailment", "not_entailment"],
  }),
  "glue/sst2": set(["accuracy"], ["negative", "positive"], {
    folder: "SST-2",
    textColumns: ["sentence"],
    fileLabels: ["0", "1"],
  }),
  "glue/stsb": set(["pearson", "spearman"], [], {
    folder: "STS-B",
    textColumns: ["sentence1", "sentence2"],
    labelColumn: "score",
  }),
  "glue/wnli": set(["accuracy"], ["not_entailment", "entailment"], {
    folder: "WNLI",
    textColumns: ["sentence1", "sentence2"],
    fileLabels: ["0", "1"],
  }),
} as const satisfies NamedDatasets;

function mnli(...parts: readonly string[]): NamedDatasetFacts {
  const isDiagnostic = parts.includes(DIAGNOSTIC);
  return set(["accuracy"], ["entailment", "neutral", "contradiction"], {
    folder: isDiagnostic ? DIAGNOSTIC : "MNLI",
    textColumns: ["sentence1", "sentence2"],
    hubColumns: ["premise", "hypothesis"],
    labelColumn: "gold_label",
    fileLabels: ["entailment", "neutral", "contradiction"],
    validation: parts.map((part) => `dev_${part}`),
    test: isDiagnostic ? [DIAGNOSTIC] : parts.map((part) => `test_${part}`),
  });
}

function set(
  metrics: NonNullable<NamedDatasetFacts["metrics"]>,
  labelNames: readonly string[],
  source: GlueSet,
): NamedDatasetFacts {
  const regression = source.fileLabels === undefined;
  return {
    task: regression ? "regression" : "sequence-classification",
    files: "the benchmark's TSV files, or Parquet",
    labelNames,
    metrics,
    labeled: ["train", "validation"],
    submission: {
      labels: source.fileLabels,
      files: (source.test ?? ["test"]).map((stem) => {
        const name = submitted(source.folder, stem);
        return { name, stem, rows: TEST_ROWS[name] };
      }),
    },
    load: (directory, split) => readGlue(source, regression ? undefined : labelNames, directory, split),
  };
}

/** The file for test rows: matched and mismatched ones go to the server in a file each. */
function submitted(folder: string, stem: string): keyof typeof TEST_ROWS {
  const name = folder === DIAGNOSTIC ? "AX" : folder;
  const part = stem === "test_matched" ? "-m" : stem === "test_mismatched" ? "-mm" : "";
  return `${name}${part}.tsv` as keyof typeof TEST_ROWS;
}

/** How the files of one set are laid out: as published, tab-separated with quotes as plain characters, and on the Hub. */
interface GlueSet {
  /** The folder's name in the benchmark's archive; in lower case, without hyphens, the set's name on the Hub. */
  readonly folder: string;
  readonly textColumns: readonly [string] | readonly [string, string];
  /** `label` if not given. */
  readonly labelColumn?: string;
  /** The file's spelling of each label, in the order of `labelNames`; undefined for scores. */
  readonly fileLabels?: readonly string[];
  /** Names of the columns of train and dev files that have no header row. */
  readonly header?: readonly string[];
  /** The files of the validation split, without `.tsv`; `dev` if not given. */
  readonly validation?: readonly string[];
  readonly test?: readonly string[];
  /** The published QQP has a few rows that are broken by a line break; other readers skip them too. */
  readonly skipShortRows?: boolean;
  /** The text columns there, if they have other names. */
  readonly hubColumns?: GlueSet["textColumns"];
}

/** @throws BidoraError for a missing column */
function requireColumns(
  { folder }: GlueSet,
  file: string,
  columns: readonly string[],
  needed: readonly string[],
): void {
  const missing = needed.find((column) => !columns.includes(column));
  if (missing === undefined) return;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${file} has no column ${missing} of GLUE's ${folder}; its columns are ${columns.join(", ")}.`,
  );
}

/**
 * The rows of one split. `directory` is the set's folder or its parent. A TSV file may be a part of the published one, with a word
 * in its name: `train.subset.tsv`.
 */
async function readGlue(
  set: GlueSet,
  labelNames: readonly string[] | undefined,
  directory: string,
  split: Split,
): Promise<Dataset<TextExample<string | number>>> {
  const stems = { train: ["train"], validation: set.validation ?? ["dev"], test: set.test ?? ["test"] }[split];
  const published = await tsvFiles(set, directory, stems);
  const files = published ?? (await parquetFiles(set, directory, stems));
  const read = published ? readFileRows : readGlueParquet;
  const examples: TextExample<string | number>[][] = [];
  for (const file of files) examples.push(await read(set, labelNames, file, split));
  return { examples: examples.flat(), labelNames };
}

/** At least one file for each stem; undefined if there are no TSV files. @throws BidoraError if some are missing */
async function tsvFiles(set: GlueSet, directory: string, stems: readonly string[]): Promise<string[] | undefined> {
  const isParent = (await namesIn(directory)).includes(set.folder);
  const folder = isParent ? join(directory, set.folder) : directory;
  const names = await namesIn(folder);
  const found = stems.map((stem) => {
    const whole = names.filter((name) => name === `${stem}.tsv`);
    return whole.length > 0 ? whole : names.filter((name) => name.startsWith(`${stem}.`) && name.endsWith(".tsv"));
  });
  if (found.every((files) => files.length === 0)) return undefined;
  const missing = stems.find((_, i) => found[i]?.length === 0);
  if (missing !== undefined) throw missingFiles(folder, `${missing}.tsv of GLUE's ${set.folder}`);
  return found.flat().map((name) => join(folder, name));
}

async function parquetFiles(set: GlueSet, directory: string, stems: readonly string[]): Promise<string[]> {
  const found: string[][] = [];
  const configuration = set.folder === DIAGNOSTIC ? "ax" : set.folder.toLowerCase().replace("-", "");
  const splits = stems.map((stem) => stem.replace(/^dev/, "validation").replace(DIAGNOSTIC, "test"));
  for (const split of splits) found.push(await hubFiles(directory, [configuration], split));
  const missing = found.findIndex((files) => files.length === 0);
  if (missing === -1) return found.flat();
  throw missingFiles(
    directory,
    `${stems[missing]}.tsv of GLUE's ${set.folder}, nor the Hub's ${splits[missing]}-….parquet`,
  );
}

async function readFileRows(set: GlueSet, labelNames: readonly string[] | undefined, file: string, split: Split) {
  const header = split === "test" ? undefined : set.header;
  const { columns, rows } = await readPlainTsv(file, { header, skipShortRows: set.skipShortRows ?? false });
  const needed = split === "test" ? set.textColumns : [...set.textColumns, set.labelColumn ?? "label"];
  requireColumns(set, file, columns, needed);
  return rows.map((row): TextExample<string | number> => {
    const input = set.textColumns.map((column) => row.values[column]) as unknown as Texts;
    const label = split === "test" ? undefined : readLabel(set, labelNames, file, row);
    return { input, label, at: { file, line: row.line } };
  });
}

function readLabel(
  { fileLabels, labelColumn = "label" }: GlueSet,
  labelNames: readonly string[] = [],
  file: string,
  row: TableRow,
): string | number {
  const written = String(row.values[labelColumn]);
  const score = written.trim() === "" ? Number.NaN : Number(written);
  const label = fileLabels ? labelNames[fileLabels.indexOf(written)] : Number.isFinite(score) ? score : undefined;
  if (label !== undefined) return label;
  const wanted = fileLabels ? `one of ${fileLabels.join(", ")}` : "a number";
  throw rowError(
    file,
    row.line,
    `the column ${labelColumn} must hold ${wanted}, but holds ${JSON.stringify(written)}.`,
  );
}

/** In Parquet files labels are ids (-1 in test rows). */
async function readGlueParquet(
  set: GlueSet,
  labelNames: readonly string[] | undefined,
  file: string,
  split: Split,
): Promise<TextExample<string | number>[]> {
  const table = await loadTable(file);
  const columns = set.hubColumns ?? set.textColumns;
  requireColumns(set, file, table.columns, split === "test" ? columns : [...columns, "label"]);
  const readLabel = labelNames ? nameReader(labelNames) : readScore;
  return table.rows.map((row) => ({
    input: columns.map((column) => readText(table, row, column)) as unknown as Texts,
    label: split === "test" ? undefined : readLabel(table, row, "label"),
    at: { file, line: row.line },
  }));
}

const nameReader =
  (names: readonly string[]): ValueReader<string> =>
  (table, row, column) =>
    names[readNumber(table, row, column)] ?? fail(table, row, column, `a number from 0 to ${names.length - 1}`);

/** Parquet files hold float32; 7 digits give back the score of the TSV files. */
const readScore: ValueReader<number> = (table, row, column) => Number(readNumber(table, row, column).toPrecision(7));
