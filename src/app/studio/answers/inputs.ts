/** What is asked of a model by its task: the fields of the form, and the rows that they become. */
import { BidoraError } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { field } from "../page.js";
import type { Form } from "../screen.js";
import type { FinishedRun } from "./finishedRuns.js";

/** A row as `predict` reads it. */
export type Row = Readonly<Record<string, unknown>>;

interface Input {
  /** @param values what is in them, by their names */
  fields(values: Values, run: FinishedRun): readonly Markup[];
  /** The fields' values for rows that were asked earlier. */
  values(rows: readonly Row[], run: FinishedRun): Readonly<Record<string, unknown>>;
  /** @throws BidoraError `STUDIO` for a field that must not be empty */
  rows(form: Form, run: FinishedRun): readonly Row[];
}

type Values = (name: string) => string;

/** The fields with what a refused form had in them, or else with the rows that were asked. */
export function fieldsFor(
  input: Input,
  run: FinishedRun,
  rows: readonly Row[],
  refused: Form | undefined,
): readonly Markup[] {
  const own = new Map(Object.entries(rows.length > 0 ? input.values(rows, run) : {}));
  const values: Values = (name) => {
    const value = refused ? refused.text(name) : own.get(name);
    return typeof value === "string" ? value : "";
  };
  return input.fields(values, run);
}

interface AreaParts {
  readonly name: string;
  readonly label: string;
  readonly help?: string;
}

const area = (parts: AreaParts, values: Values): Markup =>
  field(parts, (own) => html`<textarea ${own} required>${values(parts.name)}</textarea>`);

const linesOf = (form: Form, name: string, what: string): string[] => {
  const lines = form
    .text(name)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines.length === 0) throw new BidoraError("STUDIO", `Give ${what} first.`);
  return lines;
};

/** A query, or a prompt, and several texts for it, one per line. */
const oneWithMany = (one: string, many: string, label: string, labels: string): Input => ({
  fields: (values) => [
    area({ name: one, label }, values),
    area({ name: many, label: labels, help: "One per line." }, values),
  ],
  values: (rows) => ({ [one]: rows[0]?.[one], [many]: rows.map((row) => row[many]).join("\n") }),
  rows: (form) => {
    const first = form.required(one, `a ${label.toLowerCase()}`);
    return linesOf(form, many, labels.toLowerCase()).map((text) => ({ [one]: first, [many]: text }));
  },
});

const columnsOf = ({ metadata }: FinishedRun): readonly string[] => metadata.textColumns ?? ["text"];

const named = (i: number): string => `value-${i}`;

/** The texts of a row, under the names of the columns that the run was trained on. */
const texts: Input = {
  fields: (values, run) => columnsOf(run).map((column, i) => area({ name: named(i), label: column }, values)),
  values: ([row], run) => Object.fromEntries(columnsOf(run).map((column, i) => [named(i), row?.[column]])),
  rows: (form, run) => [
    Object.fromEntries(columnsOf(run).map((column, i) => [column, form.required(named(i), `a text for ${column}`)])),
  ],
};

const words: Input = {
  fields: (values) => [area({ name: "words", label: "Words", help: "Separated by spaces, as in the rows." }, values)],
  values: ([row]) => ({ words: Array.isArray(row?.tokens) ? row.tokens.join(" ") : "" }),
  rows: (form) => [{ tokens: form.required("words", "some words").split(/\s+/) }],
};

const question: Input = {
  fields: (values) => [
    area({ name: "question", label: "Question" }, values),
    area({ name: "context", label: "Context", help: "The text that the answer is in." }, values),
  ],
  values: ([row]) => row ?? {},
  rows: (form) => [
    { question: form.required("question", "a question"), context: form.required("context", "a context") },
  ],
};

const single: Input = {
  fields: (values) => [area({ name: "text", label: "Text" }, values)],
  values: ([row]) => row ?? {},
  rows: (form) => [{ text: form.required("text", "a text") }],
};

/** Language models are asked in conversations. */
export const INPUTS: Readonly<Record<Exclude<FinishedRun["task"], "causal-lm" | "preference">, Input>> = {
  "sequence-classification": texts,
  "multi-label-classification": texts,
  regression: texts,
  "token-classification": words,
  "question-answering": question,
  embedding: single,
  reranking: oneWithMany("query", "document", "Query", "Documents"),
  reward: oneWithMany("prompt", "completion", "Prompt", "Answers"),
};

/** Runs of one kind can be asked the same: they have the same task, and the same texts in a row. */
export const kindOf = (run: FinishedRun): string => {
  const { task } = run;
  return task in INPUTS && INPUTS[task as keyof typeof INPUTS] === texts
    ? `${task} of ${columnsOf(run).join(" and ")}`
    : task;
};
