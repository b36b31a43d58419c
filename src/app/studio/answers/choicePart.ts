/** The check boxes by which runs are chosen, and links to runs of other tasks. */
import { formatBytes } from "../../../base/index.js";
import { readMetrics } from "../../../base/records/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { button, form, hidden } from "../page.js";
import { logFacts, scoreText } from "../training/runFacts.js";
import { rowsNote } from "../training/scoredRows.js";
import type { Held } from "./answerer.js";
import type { Choice } from "./choice.js";
import { type FinishedRun, hasBase } from "./finishedRuns.js";
import { kindOf } from "./inputs.js";

/** @param more fields of the same form, which is sent at each change */
export async function choicePart(
  choice: Choice,
  all: readonly FinishedRun[],
  more: readonly (Markup | undefined)[],
): Promise<Markup> {
  const [first] = choice.runs as [FinishedRun];
  const same = all.filter((run) => kindOf(run) === kindOf(first));
  const notes = await Promise.all(same.map((run) => scoresOf(run, same)));
  const boxes = same.map((run, i) => box("run", run.name, run.name, choice.runs.includes(run), notes[i]!));
  const list = html`<fieldset class="models"><legend>Runs for ${kindOf(first)}</legend>${boxes}${baseBox(choice, first)}</fieldset>`;
  return html`<form method="get" action="/try" data-live>${list}${more}</form>${othersPart(all, first)}`;
}

const box = (name: string, value: string, text: string, isChecked: boolean, note: string): Markup =>
  html`<label class="box"><input type="checkbox" name="${name}" value="${value}" id="box-${name}-${value}"${isChecked ? html` checked` : undefined}> ${text} <span class="note">${note}</span></label>`;

function baseBox({ withBase }: Choice, run: FinishedRun): Markup {
  const name = run.settings.model ?? "";
  if (hasBase(run)) return box("base", "on", "The base model beside them", withBase, name);
  return html`<p class="note">The base model has no trained head for ${run.task}: only runs answer.</p>`;
}

/** The first metrics of a run. @param listed the runs beside it */
async function scoresOf({ path, metadata, settings }: FinishedRun, listed: readonly FinishedRun[]): Promise<string> {
  const [metrics, log] = [readMetrics(path), await logFacts(path)];
  const names = Object.keys(metrics).slice(0, 2);
  const all = [metadata.method, ...names.map((name) => scoreText(name, metrics, log))].join(", ");
  const others = listed.map((run) => run.settings);
  return [all, names[0] && rowsNote(settings, others, names[0])].filter(Boolean).join(" ");
}

/** The first run of each other kind. */
function othersPart(all: readonly FinishedRun[], shown: FinishedRun): Markup | undefined {
  const firsts = new Map([...all].reverse().map((run) => [kindOf(run), run.name]));
  firsts.delete(kindOf(shown));
  if (firsts.size === 0) return undefined;
  const links = [...firsts]
    .reverse()
    .map(([kind, name]) => html`<li><a href="/try?run=${encodeURIComponent(name)}">${kind}</a></li>`);
  return html`<nav aria-label="Runs for other tasks" class="others"><p class="note">Runs for other tasks:</p><ul>${links}</ul></nav>`;
}

/** What is open, and what it takes. */
export function heldPart(held: Held | undefined): Markup {
  if (!held) return html`<p class="note">No model is open: the next question opens those it needs.</p>`;
  const { open, memory } = held;
  const names = open.length === 0 ? "no model" : open.join(", ");
  return html`<div class="held"><p class="note">Open: ${names}; the process takes ${formatBytes(memory)}. It ends ten minutes after the last question.</p>${button("/try/close", "Close now")}</div>`;
}

/** The choice as fields of another form. */
export const hiddenChoice = ({ runs, withBase, query }: Choice, keep: readonly string[] = []): Markup =>
  hidden({
    run: runs.map(({ name }) => name),
    ...(withBase && { base: "on" }),
    ...Object.fromEntries(keep.flatMap((key) => (query.get(key) ? [[key, query.get(key)!]] : []))),
  });

/** A form that posts with the choice in it. */
export const choosingForm = (action: string, choice: Choice, content: readonly (Markup | undefined)[]): Markup =>
  form(action, [hiddenChoice(choice), ...content]);
