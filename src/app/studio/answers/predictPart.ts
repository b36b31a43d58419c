/** Asking models that are no language models: the form, and their answers side by side. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../../base/records/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { Form } from "../screen.js";
import type { Studio } from "../workspace.js";
import { addressOf, type Choice, choiceIn, talkersOf } from "./choice.js";
import { choosingForm } from "./choicePart.js";
import { askedModel, BASE, type FinishedRun, finishedRuns, modelFlags } from "./finishedRuns.js";
import { fieldsFor, INPUTS, type Row } from "./inputs.js";
import type { Piece, Question } from "./protocol.js";
import { nearest, RESULTS } from "./results.js";

type Predicting = keyof typeof INPUTS;

/** @returns what the page shows, and the command lines that predict the same rows */
export function predictPart(studio: Studio, choice: Choice, refused?: Form) {
  const [first] = choice.runs as [FinishedRun];
  const name = choice.query.get("row");
  const rows = name === null ? [] : rowsIn(studio, name);
  const fields = fieldsFor(INPUTS[first.task as Predicting], first, rows, refused);
  const ask = choosingForm("/try/ask", choice, [
    html`<div class="asked">${fields}</div>`,
    html`<div class="buttons"><button class="first">Ask</button></div>`,
  ]);
  const asked = html`<section id="ask" aria-labelledby="ask-title"><h2 id="ask-title">Ask</h2>${ask}</section>`;
  const answers = rows.length === 0 ? undefined : answersPart(studio, choice, rows);
  const commands = rows.length === 0 ? [] : choice.runs.map((run) => command(run, `tried/${name}`));
  return { content: [asked, answers], commands };
}

const command = (run: FinishedRun, file: string): readonly string[] => [
  "predict",
  ...modelFlags(run),
  ...["--input", file, "--output", `tried/predicted-${run.name}.jsonl`, "--overwrite"],
];

/** Rows that were asked earlier; none if their file is gone. */
function rowsIn({ folder }: Studio, name: string): readonly Row[] {
  const path = folder.at("tried", name);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Row);
}

/** Keeps the rows of a form as a file, and shows the page about it. */
export function ask(studio: Studio, form: Form): string | undefined {
  const choice = choiceOfForm(studio, form);
  if (!choice) return undefined;
  const [first] = choice.runs as [FinishedRun];
  const rows = INPUTS[first.task as Predicting].rows(form, first);
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const name = `row-${createHash("sha256").update(text).digest("hex").slice(0, 12)}.jsonl`;
  writeFileAtomic(join(studio.folder.make("tried"), name), text);
  studio.answers.retry();
  return addressOf(choice, { row: name });
}

/** The choice that a form sends along. */
export function choiceOfForm({ folder }: Studio, form: Form): Choice | undefined {
  const query = new URLSearchParams();
  for (const name of form.all("run")) query.append("run", name);
  if (form.has("base")) query.set("base", "on");
  return choiceIn(query, finishedRuns(folder));
}

function answersPart({ answers }: Studio, choice: Choice, rows: readonly Row[]): Markup {
  const [first] = choice.runs as [FinishedRun];
  const models = talkersOf(choice).map(({ run, isBase }) => askedModel(run, isBase));
  const { isRunning, pieces, problem } = answers.to(questionOf(first, models, rows));
  const columns = talkersOf(choice).map(({ run, isBase }) => {
    const name = isBase ? BASE : run.name;
    return column(
      name,
      answerPart(
        run,
        rows,
        pieces.find(({ model }) => model === name),
        isRunning,
      ),
    );
  });
  const note = problem === undefined ? undefined : html`<p class="problem">${problem}</p>`;
  return html`<section id="answers" aria-labelledby="answers-title" aria-live="polite" aria-busy="${isRunning ? "true" : "false"}"><h2 id="answers-title">Answers</h2>${note}<div class="columns">${columns}</div></section>`;
}

function questionOf(
  { task, settings, metadata }: FinishedRun,
  models: Question["models"],
  rows: readonly Row[],
): Question {
  if (task !== "embedding") return { kind: "predict", models, rows };
  const [row] = rows;
  return {
    kind: "nearest",
    models,
    text: String(row?.text),
    file: settings.train ?? "",
    columns: metadata.textColumns,
  };
}

/** What one model says. */
export const column = (name: string, content: Markup | readonly Markup[]): Markup =>
  html`<article class="column" aria-label="${name}"><h3>${name}</h3>${content}</article>`;

function answerPart(run: FinishedRun, rows: readonly Row[], piece: Piece | undefined, isRunning: boolean): Markup {
  if (!piece) return html`<p class="note">${isRunning ? "Opening and asking …" : "No answer."}</p>`;
  if ("error" in piece) return html`<p class="problem">${piece.error}</p>`;
  if ("nearest" in piece) return nearest(piece.nearest);
  if (!("predictions" in piece)) return html`<p class="note">No answer.</p>`;
  return RESULTS[run.task as keyof typeof RESULTS]({ run, rows, predictions: piece.predictions });
}
