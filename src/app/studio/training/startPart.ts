/** What the next run would be, and the button that starts it. */
import { BidoraError } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { RunConfig, RunSettings } from "../../../tasks/config/index.js";
import { type Fact, facts, firstStep, form, idOf, textField } from "../page.js";
import type { Form } from "../screen.js";
import type { Studio } from "../workspace.js";

/** The settings of the next run, or why there can be none yet. */
export type Next = { readonly config: RunConfig; readonly name: string } | { readonly missing: Markup };

export function nextRun(studio: Studio): Next {
  try {
    const config = studio.runFile.settled();
    if (!config) return missing("No model is chosen yet.", "/model", "Choose one on Model");
    if (config.train === undefined && config.data === undefined)
      return missing("There are no rows to train on yet.", "/data", "Choose them on Data");
    return { config, name: studio.queue.freeName(config.method) };
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    return { missing: html`<div class="alert"><p>run.yaml: ${error.message}</p></div>` };
  }
}

const missing = (text: string, path: string, link: string): Next => ({ missing: firstStep(text, path, link) });

/** @param refused a form that was refused, whose name is shown again */
export function startPart(studio: Studio, next: Next, refused: Form | undefined): Markup {
  if ("missing" in next) return next.missing;
  const { config, name } = next;
  const { current, added } = studio.queue;
  const own = form("/train/start", [
    textField(
      { name: "name", label: "Name", help: "The name of its folder in runs/." },
      refused?.optional("name") ?? name,
      html`autocomplete="off" spellcheck="false" required maxlength="90"`,
    ),
    html`<div class="buttons"><button class="first" id="button-start">Start</button></div>`,
  ]);
  const note = current && html`<p class="note">${current.name} is running: this one waits in the queue.</p>`;
  // What is typed stays while the page changes around it; another name, and a form after one that was sent, is another form.
  return html`<section id="start" aria-labelledby="start-title"><h2 id="start-title">The next run</h2>${facts(factsOf(config))}<div class="start" id="start-${idOf(`${name}-${added}`)}" data-kept>${own}</div>${note}<p class="help"><a href="#next-settings">Its method and settings</a> are further down.</p></section>`;
}

const factsOf = ({ method, model, adapter, task, train, data, epochs, maxSteps }: RunConfig): readonly Fact[] => [
  ["Method", method],
  ["Model", model ?? adapter],
  ["Task", task],
  ["Rows", train === undefined ? data : [train].flat().join(", ")],
  ["Length", maxSteps === undefined ? `${epochs} ${epochs === 1 ? "epoch" : "epochs"}` : `${maxSteps} steps`],
];

/** Whether runs are scored before training too, for a score to compare with. */
export const scoresStart = ({ evalOnStart, validation, test }: RunSettings): boolean =>
  evalOnStart === undefined && (validation ?? test) !== undefined;

/** The settings of a run in the queue: those of run.yaml, without what belongs to one call. */
export const queuedSettings = (studio: Studio, name: string): string =>
  studio.runFile.textWith({
    ...{ resume: undefined, overwrite: undefined, dashboard: undefined },
    ...(scoresStart(studio.runFile.read()) && { evalOnStart: true }),
    output: studio.folder.as("runs", name),
  });
