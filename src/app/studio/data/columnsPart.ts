/** Task and columns of the training rows: what was found, why, and other choices. */
import { html, type Markup } from "../../../studies/report/index.js";
import { TASK_ENTRIES, type TaskKind } from "../../../tasks/index.js";
import { button, choiceField, form, hidden } from "../page.js";
import type { Form } from "../screen.js";
import type { Studio } from "../workspace.js";
import type { Current } from "./current.js";
import { trainOn } from "./guess.js";

/** Tasks whose rows have columns of fixed names. */
const FIXED: readonly string[] = ["question-answering", "embedding", "preference", "reward", "reranking"];
/** Tasks without a column of labels. */
const UNLABELED: readonly string[] = [...FIXED, "causal-lm"];
const PAIRS: readonly string[] = ["sequence-classification", "multi-label-classification", "regression", "causal-lm"];
const MULTI_LABEL = "multi-label-classification";

export function columnsPart({ name, run, guess, index }: Current): Markup {
  const { task = "", textColumns = [], labelColumn = [] } = run;
  const columns = [...new Set([...textColumns, ...labelColumn, ...(index?.data.columns ?? [])])];
  const named = TASK_ENTRIES.find(([kind]) => kind === task);
  const fields = [
    hidden({ file: name, before: task }),
    choiceField(
      { name: "task", label: "Task", help: named?.[1].rows.replaceAll("`", "") },
      TASK_ENTRIES.map(([kind]) => [kind, kind]),
      task,
    ),
    ...(FIXED.includes(task) ? [] : textFields(task, textColumns, columns)),
    ...(UNLABELED.includes(task) ? [] : [labelField(task, labelColumn, columns)]),
  ];
  return html`<section id="columns" aria-labelledby="columns-title"><h2 id="columns-title">Task and columns</h2>
${form("/data/columns", [html`<div class="fields">${fields}</div>`, html`<noscript><button>Use these</button></noscript>`], html`data-live id="columns-form"`)}
${reasonsPart(name, guess, isAsGuessed(run, guess))}</section>`;
}

const isAsGuessed = (run: Current["run"], { settings }: Current["guess"]): boolean =>
  (["task", "textColumns", "labelColumn"] as const).every(
    (key) => JSON.stringify(run[key]) === JSON.stringify(settings[key]),
  );

/** Why the guess is what it is. */
export function reasonsPart(name: string, { reasons, problem }: Current["guess"], isUsed: boolean): Markup {
  if (problem !== undefined) return html`<p class="note" id="guess-problem">${problem}</p>`;
  const list = html`<ul class="reasons">${reasons.map((reason) => html`<li>${reason}</li>`)}</ul>`;
  const title = isUsed ? "Found in the rows" : "What was found in the rows (you chose something else)";
  return html`<h3>${title}</h3>${list}${isUsed ? undefined : button("/data/use", "Take what was found", { file: name, part: "train" }, "take-guess")}`;
}

const BY_NAME = ["", "by their usual names"] as const;

function textFields(task: string, chosen: readonly string[], columns: readonly string[]): readonly Markup[] {
  const choices = columns.map((name) => [name, name] as const);
  const first = choiceField(
    { name: "text", label: task === "causal-lm" ? "Text, or prompt" : "Text" },
    [BY_NAME, ...choices],
    chosen[0] ?? "",
  );
  if (!PAIRS.includes(task)) return [first];
  const label = task === "causal-lm" ? "Completion" : "Second text of a pair";
  return [first, choiceField({ name: "text2", label }, [["", "none"], ...choices], chosen[1] ?? "")];
}

function labelField(task: string, chosen: readonly string[], columns: readonly string[]): Markup {
  const choices = columns.map((name) => [name, name] as const);
  if (task !== MULTI_LABEL)
    return choiceField({ name: "label", label: "Label" }, [BY_NAME, ...choices], chosen[0] ?? "");
  const boxes = columns.map(
    (name, i) =>
      html`<label for="label-${i}"><input type="checkbox" id="label-${i}" name="label" value="${name}"${chosen.includes(name) ? html` checked` : undefined}> ${name}</label>`,
  );
  return html`<fieldset class="boxes"><legend>Labels: one column of lists, or several of 0 and 1</legend>${boxes}</fieldset>`;
}

/** Changes task and columns. With another task they are found again. @throws BidoraError for rows that they don't fit */
export async function changeColumns(studio: Studio, form: Form): Promise<undefined> {
  const name = form.required("file", "a file");
  const { validation, test, holdoutFraction } = studio.runFile.read();
  const task = form.required("task", "a task") as TaskKind;
  const chosen = (...fields: string[]) => fields.flatMap((field) => form.all(field)).filter((column) => column !== "");
  const [text, label] = [chosen("text", "text2"), chosen("label")];
  const columns = {
    ...(text.length > 0 && { textColumns: text }),
    ...(label.length > 0 && { labelColumn: label }),
  };
  const isSameTask = task === form.text("before");
  await trainOn(studio, name, { task, ...(isSameTask && columns), validation, test, holdoutFraction });
}
