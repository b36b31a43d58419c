/** A running server for the chosen run, and programs that ask it. */
import { html, type Markup } from "../../../studies/report/index.js";
import type { FinishedRun } from "../answers/finishedRuns.js";
import type { Refusals } from "../answers/protocol.js";
import { hasTemplate } from "../answers/talkPart.js";
import { commandLine } from "../commands.js";
import { button, code } from "../page.js";
import type { Studio } from "../workspace.js";
import { type ServerState, serveWords } from "./serving.js";
import { snippetsFor } from "./snippets.js";

export function serverPart(
  { serving, folder }: Studio,
  run: FinishedRun,
  { serve: refusal }: Refusals,
  all: readonly FinishedRun[],
): Markup {
  const { state } = serving;
  const served = state && all.find(({ name }) => name === state.run);
  const other = state && state.state !== "ended" && state.run !== run.name ? state : undefined;
  const content = other
    ? html`<p>A server for ${other.run} is running. ${button("/take/halt", "Stop it")}</p>`
    : ownPart(state?.run === run.name ? state : undefined, run, refusal);
  const snippets =
    state?.url !== undefined && state.state === "running" && served ? snippetsPart(state.url, served) : undefined;
  return html`<section id="server" aria-labelledby="server-title"><h2 id="server-title">A running server</h2>${content}${snippets}<p class="note">It answers programs of this machine only, in ${folder.path}, until the studio ends.</p></section>`;
}

function ownPart(state: ServerState | undefined, run: FinishedRun, refusal: string | undefined): Markup {
  if (refusal !== undefined)
    return html`<p class="note" id="refusal-serve">${refusal}</p><button type="button" disabled aria-describedby="refusal-serve">Start</button>`;
  if (state?.state === "opening")
    return html`<p role="status">The model is being opened … ${button("/take/halt", "Stop")}</p>`;
  if (state?.state === "running")
    return html`<p role="status">It answers at <strong>${state.url}</strong>, the model’s name is <strong>${run.name}</strong>. ${button("/take/halt", "Stop")}</p>`;
  const problem = state?.problem === undefined ? undefined : html`<p class="problem">${state.problem}</p>`;
  return html`${problem}<p>By OpenAI’s protocol, with this run’s model.</p>${button("/take/serve", "Start", { run: run.name })}`;
}

function snippetsPart(url: string, run: FinishedRun): Markup {
  const served = { url, model: run.name, task: run.task, isChat: hasTemplate(run) };
  const { port } = new URL(url);
  const parts = snippetsFor(served).map(({ title, install, text }, i) => {
    const id = `snippet-${i}`;
    const first = install === undefined ? undefined : html`<p class="note">First: <code>${install}</code></p>`;
    return html`<h3 id="${id}-title">${title}</h3>${first}${code(text, id)}`;
  });
  const command = commandLine([...serveWords(run), "--port", port]);
  return html`${parts}<h3>The server from a terminal</h3>${code(command, "snippet-serve")}`;
}
