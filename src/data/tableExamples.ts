import { own } from "../common/collections.js";
import type { Texts } from "../text/index.js";
import { findLabelColumns, findTextColumns, findWordsColumn, oneColumn } from "./columns.js";
import type { Dataset, TextExample, WordsExample } from "./example.js";
import { byCodePoint } from "./labels.js";
import type { Table, TableRow } from "./table.js";
import { rowError } from "./textFile.js";
import { isAbsent, readFlag, readStrings, readText, type ValueReader } from "./values.js";

export interface ColumnOptions {
  readonly textColumns?: readonly string[] | undefined;
  /** The first choice among the usual names; as is `usualLabelColumns`. */
  readonly usualTextColumns?: readonly string[] | undefined;
  readonly labelColumns?: readonly string[] | undefined;
  readonly usualLabelColumns?: readonly string[] | undefined;
  /** Rows to predict need no label. */
  readonly labels: "required" | "optional";
}

/** How a task's labels stand in a table. */
export interface LabelForm<Label> {
  /** Of one column. */
  readonly read: ValueReader<Label>;
  /** Of several columns with 0 or 1 each, from the names of those with 1; absent where there is one column. */
  readonly ofNames?: (names: readonly string[]) => Label;
}

/** Rows of one or two texts. @throws BidoraError naming the column or row that doesn't fit */
export function textExamples<Label>(
  table: Table,
  form: LabelForm<Label>,
  options: ColumnOptions,
): Dataset<TextExample<Label>> {
  const textColumns = findTextColumns(table, options.textColumns, options.usualTextColumns);
  const labelColumns = textLabelColumns(table, form, options, textColumns);
  const readLabel = labelReader(table, form, labelColumns, options.labels === "optional");
  const examples = table.rows.map((row): TextExample<Label> => {
    const input = textColumns.map((column) => readText(table, row, column)) as unknown as Texts;
    return { input, label: readLabel(row), at: { file: table.file, line: row.line } };
  });
  return {
    examples,
    labelNames: labelColumns && labelColumns.length > 1 ? [...labelColumns].sort(byCodePoint) : undefined,
    columns: { text: textColumns, label: labelColumns },
  };
}

/** Rows of words, with a label for each. @throws BidoraError naming the column or row that doesn't fit */
export function wordsExamples(table: Table, options: ColumnOptions): Dataset<WordsExample> {
  const column = findWordsColumn(table, options.textColumns, options.usualTextColumns);
  const optional = options.labels === "optional";
  const { labelColumns, usualLabelColumns: first } = options;
  const found = findLabelColumns(table, labelColumns, { words: true, optional, first, texts: [column] });
  const [labelColumn] = oneColumn(found) ?? [];
  const examples = table.rows.map((row): WordsExample => {
    const tokens = readStrings(table, row, column);
    const absent = labelColumn === undefined || (optional && isAbsent(own(row.values, labelColumn)));
    const labels = absent ? undefined : readStrings(table, row, labelColumn);
    if (labels !== undefined && labels.length !== tokens.length) {
      throw rowError(table.file, row.line, `${labels.length} labels for ${tokens.length} words: each word needs one.`);
    }
    return { input: tokens, label: labels, at: { file: table.file, line: row.line } };
  });
  return {
    examples,
    labelNames: undefined,
    columns: { text: [column], label: labelColumn === undefined ? undefined : [labelColumn] },
  };
}

function textLabelColumns<Label>(
  table: Table,
  form: LabelForm<Label>,
  { labelColumns, usualLabelColumns: first, labels }: ColumnOptions,
  texts: readonly string[],
): readonly string[] | undefined {
  const found = findLabelColumns(table, labelColumns, { optional: labels === "optional", first, texts });
  return form.ofNames ? found : oneColumn(found);
}

function labelReader<Label>(
  table: Table,
  { read, ofNames }: LabelForm<Label>,
  columns: readonly string[] | undefined,
  optional: boolean,
): (row: TableRow) => Label | undefined {
  const [column, ...more] = columns ?? [];
  if (columns === undefined || column === undefined) return () => undefined;
  if (more.length > 0 && ofNames) return (row) => ofNames(columns.filter((name) => readFlag(table, row, name)));
  return (row) => (optional && isAbsent(own(row.values, column)) ? undefined : read(table, row, column));
}
