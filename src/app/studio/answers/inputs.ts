/** What is asked of a model by its task: the fields of the form, and the rows that they become. */
import { BidoraError } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { field } from "../page.js";
import type { Form } from "../screen.js";
import type { FinishedRun } from "./finishedRuns.js";

/** A row as `predict` reads it. */
export type Row = Readonly<Record<string, unknown>>;

interface Input {
  /** @param rows those that were asked last; none in the beginning */
  fields(rows: readonly Row[], run: FinishedRun): readonly Markup[];
  /** @throws BidoraError `STUDIO` for a field that must not be empty */
  rows(form: Form, run: FinishedRun): readonly Row[];
}

interface AreaParts {
  readonly name: string;
  readonly label: string;
  readonly help?: string;
}

const area = (parts: AreaParts, value: unknown): Markup =>
  field(parts, (own) => html`<textarea ${own} required>${typeof value === "string" ? value : ""}</textarea>`);

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
  fields: (rows) => [
    area({ name: one, label }, rows[0]?.[one]),
    area({ name: many, label: labels, help: "One per line." }, rows.map((row) => row[many]).join("\n")),
  ],
  rows: (form) => {
    const first = form.required(one, `a ${label.toLowerCase()}`);
    return linesOf(form, many, labels.toLowerCase()).map((text) => ({ [one]: first, [many]: text }));
  },
});

const columnsOf = ({ metadata }: FinishedRun): readonly string[] => metadata.textColumns ?? ["text"];

/** The texts of a row, under the names of the columns that the run was trained on. */
const texts: Input = {
  fields: (rows, run) =>
    columnsOf(run).map((column, i) => area({ name: `value-${i}`, label: column }, rows[0]?.[column])),
  rows: (form, run) => [
    Object.fromEntries(
      columnsOf(run).map((column, i) => [column, form.required(`value-${i}`, `a text for ${column}`)]),
    ),
  ],
};

const words: Input = {
  fields: ([row]) => [
    area(
      { name: "words", label: "Words", help: "Separated by spaces, as in the rows." },
      Array.isArray(row?.tokens) ? row.tokens.join(" ") : "",
    ),
  ],
  rows: (form) => [{ tokens: form.required("words", "some words").split(/\s+/) }],
};

const question: Input = {
  fields: ([row]) => [
    area({ name: "question", label: "Question" }, row?.question),
    area({ name: "context", label: "Context", help: "The text that the answer is in." }, row?.context),
  ],
  rows: (form) => [
    { question: form.required("question", "a question"), context: form.required("context", "a context") },
  ],
};

const single: Input = {
  fields: ([row]) => [area({ name: "text", label: "Text" }, row?.text)],
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
