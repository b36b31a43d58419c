/** The result for other programs. */

import { html, type Markup } from "../../../studies/report/index.js";
import { type FinishedRun, finishedRuns } from "../answers/finishedRuns.js";
import { install } from "../exports/installing.js";
import { listPart } from "../exports/listPart.js";
import { make, remove, runOf } from "../exports/making.js";
import { askingPart, commandsFor, factsOf, isKnown, offersPart, refusalsOf } from "../exports/offersPart.js";
import { addExportRoutes } from "../exports/routes.js";
import { serverPart } from "../exports/serverPart.js";
import { serveWords } from "../exports/serving.js";
import { choiceField, firstStep } from "../page.js";
import type { Asked, Rendered, Screen } from "../screen.js";
import type { Studio } from "../workspace.js";

export const take: Screen = {
  path: "/take",
  title: "Take it along",
  about: "The result for other programs.",
  topics: ["runs"],
  render,
  actions: {
    make,
    remove,
    again(studio) {
      studio.answers.retry();
    },
    install,
    serve(studio, form) {
      studio.serving.start(runOf(studio, form));
    },
    async halt(studio) {
      await studio.serving.close();
    },
  },
  addRoutes: addExportRoutes,
};

async function render(studio: Studio, { query }: Asked): Promise<Rendered> {
  const all = finishedRuns(studio.folder);
  const run = all.find(({ name }) => name === query.get("run")) ?? all[0];
  if (!run)
    return { content: [firstStep("No run has finished yet.", "/train", "Train one first."), await listPart(studio)] };
  const facts = await factsOf(run, studio.folder.path);
  const known = refusalsOf(studio, run);
  const { refusals } = known;
  const content = [
    choicePart(run, all),
    askingPart(known),
    await offersPart(studio, run, known, facts),
    await listPart(studio),
    serverPart(studio, run, refusals, all),
  ];
  const serve = refusals.serve === undefined ? [serveWords(run)] : [];
  return { content, commands: !isKnown(known) ? [] : [...commandsFor(run, refusals, facts), ...serve] };
}

function choicePart(run: FinishedRun, all: readonly FinishedRun[]): Markup {
  const choices = all.map(({ name, task, metadata }) => [name, `${name} (${metadata.method}, ${task})`] as const);
  return html`<form method="get" action="/take" data-live>${choiceField({ name: "run", label: "Run" }, choices, run.name)}</form>`;
}
