/** Examples for rerankers: a query with documents, each with its relevance. */
import { BidoraError, checkArguments, own, UsageError } from "../../base/index.js";
import type { Dataset, Example } from "./example.js";
import { rowError } from "./files/textFile.js";
import { type LoadRowsOptions, labeledRows, loadOptions, loadTable } from "./loadExamples.js";
import { negativeColumns, readNegatives } from "./negatives.js";
import {
  aRowSource,
  fail,
  findColumns,
  type RowSource,
  readNumber,
  readText,
  requireColumns,
  type Table,
  type TableRow,
  usualTextColumns,
} from "./table.js";

/** How relevant the documents of an example are. */
export interface Relevances {
  /** From 0 to 1, for each document in order. */
  readonly scores: readonly number[];
  /** Whether the documents are a positive and its negatives, which are compared with each other. */
  readonly isList: boolean;
}

/** A query, and one document or more. */
export type RerankingExample = Example<readonly [query: string, ...documents: string[]], Relevances>;

const SCORED: readonly (readonly string[])[] = [["query", "document"]];
const LISTS: readonly (readonly string[])[] = [
  ["query", "positive"],
  ["anchor", "positive"],
];
const SCORES: readonly (readonly string[])[] = [["score"], ["label"]];

/**
 * Examples of a query and a document with a score, or of a query with a positive and negatives; with `labels: "optional"` of a query and a
 * document, to predict.
 * @throws BidoraError naming the file, line or column at fault
 */
export async function loadRerankingExamples(
  source: RowSource,
  options: LoadRowsOptions = {},
): Promise<Dataset<RerankingExample>> {
  checkArguments("loadRerankingExamples", ["source", source, aRowSource], ["options", options, loadOptions]);
  const table = await loadTable(source, options);
  const found = textColumnsOf(table, options);
  if (options.labels === "optional") return unscored(table, found);
  return found.length > 2 || isListed(table, found, options) ? lists(table, found) : scored(table, found, options);
}

/** The columns of the query and of what is ranked for it. */
function textColumnsOf(
  table: Table,
  { textColumns: given, usualTextColumns: usual, labels }: LoadRowsOptions,
): readonly string[] {
  if (given && given.length < 2)
    throw new UsageError(
      `--text-columns names only ${given}: --task reranking takes a query and a document; name both columns, or those of the query, its positive and its negatives.`,
    );
  if (given) return requireColumns(table, given);
  const isToPredict = labels === "optional";
  const trained = usual && (isToPredict ? usual.length === 2 : usual.length > 1) ? [usual] : [];
  const found = findColumns(table, [...trained, ...SCORED, ...(isToPredict ? [] : LISTS)]) ?? pairOf(table);
  return !isToPredict && isOfList(found) ? [...found.slice(0, 2), ...negativeColumns(table)] : found;
}

function pairOf(table: Table): readonly string[] {
  const found = usualTextColumns(table);
  if (found?.length === 2) return found;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${table.file}: --task reranking takes the columns query and document with score or label, or query, positive and negatives; the columns are ${table.columns.join(", ")}: name them with --text-columns.`,
  );
}

const isOfList = (columns: readonly string[]): boolean =>
  LISTS.some((names) => names.every((name, i) => name === columns[i]));

/** Whether a row of two texts is a query with its positive. */
const isListed = (table: Table, columns: readonly string[], options: LoadRowsOptions): boolean =>
  isOfList(columns) && scoreColumns(table, options) === undefined;

function unscored(table: Table, columns: readonly string[]): Dataset<RerankingExample> {
  const [query, document, ...more] = columns as [string, string, ...string[]];
  if (more.length > 0)
    throw new UsageError(`Rows to predict have a query and one document, but --text-columns names ${columns}.`);
  const examples = table.rows.map((row) => ({
    input: [readText(table, row, query), readText(table, row, document)] as const,
    label: undefined,
    at: { file: table.file, line: row.line },
  }));
  return { examples, labelNames: undefined, columns: { text: columns, label: undefined } };
}

function scored(table: Table, columns: readonly string[], options: LoadRowsOptions): Dataset<RerankingExample> {
  const label = scoreColumns(table, options);
  if (!label)
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${table.file} has ${columns.join(" and ")}, but neither score nor label: name the column with --label-column.`,
    );
  const [score, ...more] = label as [string, ...string[]];
  if (more.length > 0) throw new UsageError(`A document has one score, but --label-column names ${label.join(", ")}.`);
  if (columns.includes(score))
    throw new UsageError(`The column ${score} is given for both text and score: name another with --label-column.`);
  const [query, document] = columns as [string, string];
  const examples = labeledRows(table, label, options).rows.map((row) => ({
    input: [readText(table, row, query), readText(table, row, document)] as const,
    label: { scores: [readRelevance(table, row, score)], isList: false },
    at: { file: table.file, line: row.line },
  }));
  return { examples, labelNames: undefined, columns: { text: columns, label } };
}

function scoreColumns(table: Table, { labelColumns: given, usualLabelColumns: usual }: LoadRowsOptions) {
  return given ? requireColumns(table, given) : findColumns(table, [...(usual ? [usual] : []), ...SCORES]);
}

/** A number from 0 to 1, or true or false. */
function readRelevance(table: Table, row: TableRow, column: string): number {
  const value = own(row.values, column);
  if (typeof value === "boolean") return Number(value);
  if (value === "true" || value === "false") return Number(value === "true");
  const isNumber = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const score = isNumber && Number.isFinite(Number(value)) ? readNumber(table, row, column) : Number.NaN;
  return score >= 0 && score <= 1 ? score : fail(table, row, column, "a number from 0 to 1, or true or false");
}

function lists(table: Table, columns: readonly string[]): Dataset<RerankingExample> {
  const examples = table.rows.map((row) => {
    const input = textsOf(table, row, columns);
    const scores = input.slice(1).map((_, i) => Number(i === 0));
    return { input, label: { scores, isList: true }, at: { file: table.file, line: row.line } };
  });
  return { examples, labelNames: undefined, columns: { text: columns, label: undefined } };
}

/** The query, the positive and the negatives. */
function textsOf(
  table: Table,
  row: TableRow,
  [query, positive, ...negatives]: readonly string[],
): [string, ...string[]] {
  const best = readText(table, row, positive as string);
  const others = readNegatives(table, row, negatives);
  if (others.includes(best))
    throw rowError(table.file, row.line, "the positive is among the negatives too: remove it from them.");
  return [readText(table, row, query as string), best, ...others];
}
