/** Which method is better on these rows, and how sure that is. */
import { BidoraError } from "../../../base/index.js";
import { COMPARISON } from "../../../base/records/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import {
  type AskedComparison,
  askedIn,
  type ComparisonFields,
  comparisonText,
  fieldsIn,
} from "../comparisons/asked.js";
import { askPart } from "../comparisons/askPart.js";
import { comparisonPart } from "../comparisons/comparisonPart.js";
import { ESTIMATE, workOf } from "../comparisons/comparisons.js";
import { costPart } from "../comparisons/costPart.js";
import { progressOf } from "../comparisons/progress.js";
import { addressWith } from "../page.js";
import { Form, type Rendered, type Screen } from "../screen.js";
import { addReports } from "../training/reports.js";
import { nextRun } from "../training/startPart.js";
import type { Studio } from "../workspace.js";

export const compare: Screen = {
  path: "/compare",
  title: "Compare",
  about: "Which method is better on these rows, and how sure that is.",
  topics: ["run", "runs"],
  async render(studio, { query, form }) {
    const names = studio.comparisons.names;
    const chosen = chosenName(studio, query.get("show"), names);
    const { content, command } = askingPart(studio, form ?? new Form(query.toString()), names, chosen);
    const rendered: Rendered = {
      content: [
        listPart(studio, names, chosen),
        chosen === undefined ? undefined : await comparisonPart(studio, chosen),
        ...content,
      ],
      commands: [...command, ...(chosen === undefined ? [] : [studio.comparisons.wordsOf(chosen)])],
    };
    return rendered;
  },
  actions: {
    estimate(studio, form) {
      const { asked, text } = askedOf(studio, fieldsOf(studio, form));
      studio.comparisons.estimate(asked.name, text, asked.pilot);
    },
    async start(studio, form) {
      const { asked, text } = askedOf(studio, fieldsOf(studio, form));
      await studio.comparisons.start(asked.name, text);
      return addressWith("/compare", { show: asked.name });
    },
    async go(studio, form) {
      const name = form.required("name", "the name of a comparison");
      await studio.comparisons.go(name);
      return addressWith("/compare", { show: name });
    },
    forget(studio, form) {
      studio.comparisons.forget(form.required("name", "the name of a comparison"));
      return "/compare";
    },
  },
  addRoutes: (app, studio) => addReports(app, studio, "/compare", "comparisons", COMPARISON),
};

/** The comparison that is shown: that of the address, else one that runs, else the one that changed last. */
function chosenName(
  { works, comparisons }: Studio,
  named: string | null,
  names: readonly string[],
): string | undefined {
  const started = names.filter((name) => progressOf(comparisons.folderOf(name)).isPlanned);
  return names.find((name) => name === named) ?? names.find((name) => works.isRunning(workOf(name))) ?? started[0];
}

const fieldsOf = ({ comparisons }: Studio, form: Form): ComparisonFields => fieldsIn(form, comparisons.freeName());

function askedOf(studio: Studio, fields: ComparisonFields): { readonly asked: AskedComparison; readonly text: string } {
  const asked = askedIn(fields);
  studio.runFile.requireModel();
  const output = studio.folder.as("comparisons", asked.name);
  return { asked, text: comparisonText(studio.runFile, asked, output) };
}

interface Asking {
  readonly content: readonly Markup[];
  readonly command: readonly string[][];
}

/** The form of a new comparison with its costs, or what comes first. */
function askingPart(studio: Studio, form: Form, names: readonly string[], chosen: string | undefined): Asking {
  const next = nextRun(studio);
  if ("missing" in next) return { content: [next.missing], command: [] };
  const { comparisons, works } = studio;
  const fields = fieldsOf(studio, form);
  const pilots = names.filter((name) => progressOf(comparisons.folderOf(name)).done > 0);
  const ask = askPart(fields, pilots, chosen);
  try {
    const { asked, text } = askedOf(studio, fields);
    const costs = comparisons.costs(text, asked.pilot);
    const isWritten = comparisons.textOf(asked.name) === text;
    return {
      content: [ask, costPart(fields, asked, costs, works.get(ESTIMATE))],
      command: isWritten ? [comparisons.estimateWordsOf(asked.name, asked.pilot)] : [],
    };
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    return { content: [ask, html`<p class="problem" role="alert">${error.message}</p>`], command: [] };
  }
}

function listPart(studio: Studio, names: readonly string[], chosen: string | undefined): Markup | undefined {
  if (names.length < 2) return undefined;
  const items = names.map((name) => {
    const { runs, done, isPlanned } = progressOf(studio.comparisons.folderOf(name));
    const state = isPlanned ? `${done} of ${runs} runs are done` : "not started";
    return html`<li id="listed-${name}"><a href="${addressWith("/compare", { show: name })}"${name === chosen ? html` aria-current="true"` : undefined}>${name}</a> ${state}</li>`;
  });
  return html`<section id="comparisons" aria-labelledby="comparisons-title"><h2 id="comparisons-title">Comparisons</h2><ul class="rows">${items}</ul></section>`;
}
