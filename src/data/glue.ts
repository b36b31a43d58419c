import { join } from "node:path";
import type { Texts } from "../text/index.js";
import { readPlainTsv } from "./csv.js";
import type { Dataset, TextExample } from "./example.js";
import { readGlueParquet } from "./glueParquet.js";
import { type GlueSet, requireColumns } from "./glueSet.js";
import { hubFiles } from "./hubParquet.js";
import { namesIn, noFiles, type Split, setFolder } from "./setFolder.js";
import type { TableRow } from "./table.js";
import { rowError } from "./textFile.js";

/**
 * The rows of one split. `directory` is the set's folder or the one that holds it. Test rows have no label. A TSV file may be a
 * part of the published one, with a word in its name: `train.subset.tsv`. Without TSV files the Hub's Parquet files are read.
 * @throws BidoraError naming the missing file, or the line at fault.
 */
export async function readGlue(
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

/** Of each stem at least one; undefined where there is none at all. @throws BidoraError where some are missing */
async function tsvFiles(set: GlueSet, directory: string, stems: readonly string[]): Promise<string[] | undefined> {
  const folder = await setFolder(directory, set.folder);
  const names = await namesIn(folder);
  const found = stems.map((stem) => {
    const whole = names.filter((name) => name === `${stem}.tsv`);
    return whole.length > 0 ? whole : names.filter((name) => name.startsWith(`${stem}.`) && name.endsWith(".tsv"));
  });
  if (found.every((files) => files.length === 0)) return undefined;
  const missing = stems.find((_, i) => found[i]?.length === 0);
  if (missing !== undefined) throw noFiles(folder, `${missing}.tsv of GLUE's ${set.folder}`);
  return found.flat().map((name) => join(folder, name));
}

async function parquetFiles(set: GlueSet, directory: string, stems: readonly string[]): Promise<string[]> {
  const found: string[][] = [];
  const splits = stems.map((stem) => stem.replace(/^dev/, "validation"));
  for (const split of splits) found.push(await hubFiles(directory, [set.configuration], split));
  const missing = found.findIndex((files) => files.length === 0);
  if (missing === -1) return found.flat();
  throw noFiles(directory, `${stems[missing]}.tsv of GLUE's ${set.folder}, nor the Hub's ${splits[missing]}-….parquet`);
}

async function readFileRows(set: GlueSet, labelNames: readonly string[] | undefined, file: string, split: Split) {
  const header = split === "test" ? undefined : set.header;
  const { columns, rows } = await readPlainTsv(file, { header, skipShortRows: set.skipShortRows ?? false });
  const needed = split === "test" ? set.textColumns : [...set.textColumns, set.labelColumn];
  requireColumns(set, file, columns, needed);
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
