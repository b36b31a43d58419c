import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import type { Texts } from "../text/index.js";
import { readPlainTsv } from "./csv.js";
import type { Dataset, TextExample } from "./example.js";
import { namesIn, noFiles, type Split, setFolder } from "./setFolder.js";
import type { TableRow } from "./table.js";
import { rowError } from "./textFile.js";

/** One set of the GLUE benchmark, in its files as published: tab-separated, quotes are plain characters. */
export interface GlueSet {
  /** The folder's name in the benchmark's archive. */
  readonly folder: string;
  readonly textColumns: readonly [string] | readonly [string, string];
  readonly labelColumn: string;
  /** The file's spelling of each label, in the order of `labelNames`; undefined for scores. */
  readonly fileLabels?: readonly string[];
  /** Names of the columns of train and dev files that have no header row. */
  readonly header?: readonly string[];
  /** The files of the validation split, without `.tsv`; `dev` if not given. */
  readonly validation?: readonly string[];
  readonly test?: readonly string[];
  /** The published QQP has a few rows that a line break tore apart; other readers pass them over too. */
  readonly skipShortRows?: boolean;
}

/**
 * The rows of one split. `directory` is the set's folder or the one that holds it. Test rows have no label. A file may be a
 * part of the published one, with a word in its name: `train.subset.tsv`.
 * @throws BidoraError naming the missing file, or the line at fault.
 */
export async function readGlue(
  set: GlueSet,
  labelNames: readonly string[] | undefined,
  directory: string,
  split: Split,
): Promise<Dataset<TextExample<string | number>>> {
  const files = await splitFiles(set, directory, split);
  const examples: TextExample<string | number>[][] = [];
  for (const file of files) examples.push(await readFileRows(set, labelNames, file, split));
  return { examples: examples.flat(), labelNames };
}

async function splitFiles(set: GlueSet, directory: string, split: Split): Promise<string[]> {
  const stems = { train: ["train"], validation: set.validation ?? ["dev"], test: set.test ?? ["test"] }[split];
  const folder = await setFolder(directory, set.folder);
  const names = await namesIn(folder);
  const found = stems.flatMap((stem) => {
    const whole = names.filter((name) => name === `${stem}.tsv`);
    return whole.length > 0 ? whole : names.filter((name) => name.startsWith(`${stem}.`) && name.endsWith(".tsv"));
  });
  if (found.length > 0) return found.map((name) => join(folder, name));
  throw noFiles(folder, `${stems.map((stem) => `${stem}.tsv`).join(" or ")} of GLUE's ${set.folder}`);
}

async function readFileRows(set: GlueSet, labelNames: readonly string[] | undefined, file: string, split: Split) {
  const header = split === "test" ? undefined : set.header;
  const { columns, rows } = await readPlainTsv(file, { header, skipShortRows: set.skipShortRows ?? false });
  const needed = split === "test" ? set.textColumns : [...set.textColumns, set.labelColumn];
  const missing = needed.find((column) => !columns.includes(column));
  if (missing !== undefined) {
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${file} has no column ${missing} of GLUE's ${set.folder}; its columns are ${columns.join(", ")}.`,
    );
  }
  return rows.map((row): TextExample<string | number> => {
    const input = set.textColumns.map((column) => row.values[column]) as unknown as Texts;
    const label = split === "test" ? undefined : readLabel(set, labelNames, file, row);
    return { input, label, at: { file, line: row.line } };
  });
}

function readLabel(
  set: GlueSet,
  labelNames: readonly string[] | undefined,
  file: string,
  row: TableRow,
): string | number {
  const written = String(row.values[set.labelColumn]);
  if (set.fileLabels === undefined || labelNames === undefined) {
    const score = Number(written);
    if (written.trim() !== "" && Number.isFinite(score)) return score;
    throw rowError(
      file,
      row.line,
      `the column ${set.labelColumn} must hold a number, but holds ${JSON.stringify(written)}.`,
    );
  }
  const name = labelNames[set.fileLabels.indexOf(written)];
  if (name !== undefined) return name;
  throw rowError(
    file,
    row.line,
    `the column ${set.labelColumn} must hold one of ${set.fileLabels.join(", ")}, but holds ${JSON.stringify(written)}.`,
  );
}
