/** Examples for embeddings: texts to embed, pairs, pairs with negatives, and pairs with a score. */
import { BidoraError, checkArguments, UsageError } from "../../base/index.js";
import type { Dataset, Example } from "./example.js";
import { type LoadRowsOptions, labeledRows, loadOptions, loadTable } from "./loadExamples.js";
import { negativeColumns, readNegatives } from "./negatives.js";
import {
  aRowSource,
  findColumns,
  findTextColumns,
  type RowSource,
  readNumber,
  readText,
  requireColumns,
  type Table,
  type TableRow,
} from "./table.js";

/** What an example to learn from says: how similar its two texts are, or nothing more than that they belong together. */
export interface PairLabel {
  readonly score?: number;
}

/** One text to embed; or an anchor, its positive and any number of negatives; or two texts with a score. */
export type EmbeddingExample = Example<readonly string[], PairLabel>;

/** Columns of pairs. Those of the first groups may have negatives beside them, those of the others a score. */
const ANCHORED: readonly (readonly string[])[] = [
  ["anchor", "positive"],
  ["query", "positive"],
];
const SCORES: readonly (readonly string[])[] = [["score"], ["similarity_score"], ["label"]];

/**
 * Examples of pairs; with `labels: "optional"` of one text each, to predict.
 * @throws BidoraError naming the file, line or column at fault
 */
export async function loadEmbeddingExamples(
  source: RowSource,
  options: LoadRowsOptions = {},
): Promise<Dataset<EmbeddingExample>> {
  checkArguments("loadEmbeddingExamples", ["source", source, aRowSource], ["options", options, loadOptions]);
  const table = await loadTable(source, options);
  return options.labels === "optional" ? single(table, options) : pairs(table, options);
}

function single(table: Table, { textColumns }: LoadRowsOptions): Dataset<EmbeddingExample> {
  const text = findTextColumns(table, textColumns);
  const [column] = text;
  if (column === undefined || text.length > 1)
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${table.file}: rows to embed have one text, but these have ${text.join(" and ")}: name one column with --text-columns.`,
    );
  const examples = table.rows.map((row) => ({
    input: [readText(table, row, column)],
    label: undefined,
    at: { file: table.file, line: row.line },
  }));
  return { examples, labelNames: undefined, columns: { text, label: undefined } };
}

function pairs(table: Table, options: LoadRowsOptions): Dataset<EmbeddingExample> {
  const text = pairColumns(table, options);
  const score = scoreColumn(table, text, options);
  const label = score === undefined ? undefined : [score];
  const examples = labeledRows(table, label, options).rows.map((row) => ({
    input: textsOf(table, row, text),
    label: score === undefined ? {} : { score: readNumber(table, row, score) },
    at: { file: table.file, line: row.line },
  }));
  return { examples, labelNames: undefined, columns: { text, label } };
}

/** The columns of the anchor, the positive and the negatives. */
function pairColumns(
  table: Table,
  { textColumns: given, usualTextColumns: usual }: LoadRowsOptions,
): readonly string[] {
  if (given && given.length < 2)
    throw new UsageError(
      `--text-columns names only ${given}: --task embedding learns from pairs; name two columns, and those of negatives after them.`,
    );
  if (given) return requireColumns(table, given);
  const anchored = findColumns(table, [...(usual && usual.length > 1 ? [usual] : []), ...ANCHORED]);
  if (!anchored) return pairOf(table);
  return isAnchored(anchored) ? withNegatives(table, anchored) : anchored;
}

/** The columns of an anchor, its positive and its negatives, by their usual names; undefined if there are none. */
export function anchoredColumns(table: Pick<Table, "columns">): readonly string[] | undefined {
  const anchored = findColumns(table, ANCHORED);
  return anchored && withNegatives(table, anchored);
}

const withNegatives = (table: Pick<Table, "columns">, anchored: readonly string[]): readonly string[] => [
  ...anchored,
  ...negativeColumns(table).filter((name) => !anchored.includes(name)),
];

function pairOf(table: Table): readonly string[] {
  const found = findTextColumns(table, undefined);
  if (found.length === 2) return found;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: --task embedding learns from pairs, in the columns anchor and positive or sentence1 and sentence2, but the only text is ${found.join(", ")}: name two columns with --text-columns.`,
  );
}

const isAnchored = (columns: readonly string[]): boolean =>
  ANCHORED.some((names) => names.every((name, i) => name === columns[i]));

function scoreColumn(table: Table, texts: readonly string[], options: LoadRowsOptions): string | undefined {
  const { labelColumns: given } = options;
  const found = given ? requireColumns(table, given) : usualScore(table, texts, options);
  if (found === undefined) return undefined;
  const [score, ...more] = found;
  if (more.length > 0) throw new UsageError(`A pair has one score, but --label-column names ${found.join(", ")}.`);
  if (texts.length > 2)
    throw new UsageError(`Rows have negatives or a score (--label-column ${score}), not both: leave one out.`);
  if (texts.includes(score as string))
    throw new UsageError(`The column ${score} is given for both text and score: name another with --label-column.`);
  return score;
}

/** The score's column if none is named. Beside an anchor and its positive it counts if the adapter was trained on it. */
function usualScore(
  table: Table,
  texts: readonly string[],
  { textColumns, usualLabelColumns: trained }: LoadRowsOptions,
): readonly string[] | undefined {
  const isOfAnchor = isAnchored(texts);
  if (isOfAnchor && textColumns) return undefined;
  const own = trained && texts.length === 2 ? findColumns(table, [trained]) : undefined;
  if (own) return own;
  const score = findColumns(table, SCORES);
  if (isOfAnchor) refuseScore(table, texts, score);
  return texts.length === 2 ? score : undefined;
}

/** A pair with a low score is no positive one. @throws BidoraError `UNKNOWN_COLUMN` for a score beside an anchor and its positive */
function refuseScore({ file }: Table, texts: readonly string[], score: readonly string[] | undefined): void {
  if (!score) return;
  const asScore = texts.length === 2 ? `; to learn from it as a score, finetune takes --label-column ${score}` : "";
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${file} has ${score} beside ${texts.join(" and ")}: give --text-columns ${texts.join(",")} to leave it out${asScore}.`,
  );
}

/** The anchor, the positive and the negatives. */
function textsOf(table: Table, row: TableRow, [anchor, positive, ...negatives]: readonly string[]): string[] {
  return [
    readText(table, row, anchor as string),
    readText(table, row, positive as string),
    ...readNegatives(table, row, negatives),
  ];
}
