/** Examples for question answering. */
import { checkArguments, own } from "../../base/index.js";
import type { Dataset, Example, Location } from "./example.js";
import { rowError } from "./files/textFile.js";
import { type LoadRowsOptions, labeledRows, loadOptions, loadTable } from "./loadExamples.js";
import {
  aRowSource,
  fail,
  findLabelColumns,
  findTextColumns,
  isAbsent,
  oneColumn,
  type RowSource,
  readText,
  type Table,
  type TableRow,
} from "./table.js";

/** An answer as in SQuAD, with its start in the context, in code points. */
export interface Answer {
  readonly text: string;
  readonly start: number;
}

/** A question and a context, with the answers in the context. */
export type QuestionExample = Example<readonly [question: string, context: string], readonly Answer[]>;

/**
 * Questions about contexts, with their answers, in Hugging Face's format
 * (`{"question", "context", "answers": {"text": [...], "answer_start": [...]}}`) or SQuAD's JSON.
 * @throws BidoraError naming a row whose answer is not at its start, or for a file without questions
 */
export async function loadQuestions(
  source: RowSource,
  options: LoadRowsOptions = {},
): Promise<Dataset<QuestionExample>> {
  checkArguments("loadQuestions", ["file", source, aRowSource], ["options", options, loadOptions]);
  const table = flattened(await loadTable(source, options));
  const { file } = table;
  if (table.rows.length === 0) throw rowError(file, 1, "its articles have no questions.");
  const optional = options.labels === "optional";
  const texts = findTextColumns(table, options.textColumns, options.usualTextColumns ?? ["question", "context"]);
  const [question, context] = texts;
  if (question === undefined || context === undefined)
    throw rowError(
      file,
      1,
      `a question and a context are expected, but --text-columns names only ${texts.join(", ")}.`,
    );
  const found = { optional, first: options.usualLabelColumns ?? ["answers"], texts };
  const label = oneColumn(findLabelColumns(table, options.labelColumns, found));
  const [answers] = label ?? [];
  const examples = labeledRows(table, label, options).rows.map((row): QuestionExample => {
    const at = { file, line: row.line };
    const input = [readText(table, row, question), readText(table, row, context)] as const;
    const absent = answers === undefined || (optional && isAbsent(own(row.values, answers)));
    const read = absent ? undefined : readAnswers(table, row, answers);
    for (const answer of read ?? []) checkAnswer(answer, input[1], at);
    return { input, label: read, at };
  });
  return { examples, labelNames: undefined, columns: { text: texts, label } };
}

/** SQuAD's files are one object: articles with paragraphs with questions. */
function flattened(table: Table): Table {
  const [only, ...more] = table.rows;
  const articles = only?.values.data;
  if (more.length > 0 || !Array.isArray(articles)) return table;
  const rows = articles.flatMap((article) =>
    listOf(article, "paragraphs").flatMap((paragraph) =>
      listOf(paragraph, "qas").map((question) => ({ ...(question as object), context: partOf(paragraph, "context") })),
    ),
  );
  const columns = ["question", "context", ...(rows.some((row) => "answers" in row) ? ["answers"] : [])];
  return { ...table, columns, rows: rows.map((values, i) => ({ line: i + 1, values: values as TableRow["values"] })) };
}

const partOf = (value: unknown, key: string): unknown =>
  value instanceof Object ? own(value as Record<string, unknown>, key) : undefined;

function listOf(value: unknown, key: string): readonly unknown[] {
  const list = partOf(value, key);
  return Array.isArray(list) ? list : [];
}

/** `{"text": […], "answer_start": […]}`, or a list of `{"text", "answer_start"}`. */
function readAnswers(table: Table, row: TableRow, column: string): Answer[] {
  const value = own(row.values, column);
  const each = Array.isArray(value)
    ? value.map((answer) => [partOf(answer, "text"), partOf(answer, "answer_start")])
    : listOf(value, "text").map((text, i) => [text, listOf(value, "answer_start")[i]]);
  const isWhole = Array.isArray(value) || Array.isArray(partOf(value, "text"));
  const answers = each.map(([text, start]) => ({ text, start }));
  const fits = answers.every(({ text, start }) => typeof text === "string" && Number.isSafeInteger(start));
  if (isWhole && fits) return answers as Answer[];
  return fail(table, row, column, 'answers, {"text": [texts], "answer_start": [numbers]}');
}

/** @throws BidoraError for an answer that is not at its start */
function checkAnswer({ text, start }: Answer, context: string, { file, line }: Location): void {
  const length = Array.from(text).length;
  const there = codePointSlice(context, start, start + length);
  if (start >= 0 && there === text) return;
  throw rowError(
    file,
    line,
    `the answer ${JSON.stringify(text)} is not at character ${start} of the context, which has ${JSON.stringify(there)} there.`,
  );
}

/** The part of a text from one code point up to, and without, another. */
export function codePointSlice(text: string, start: number, end: number): string {
  return Array.from(text).slice(start, end).join("");
}
