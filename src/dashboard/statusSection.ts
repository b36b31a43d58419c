import { formatCount, formatNumber, formatSeconds } from "../common/format.js";
import { html, type Markup, section } from "../report/index.js";
import type { Board, RunState, RunStatus } from "./board.js";

const WORDS: Readonly<Record<RunState, string>> = {
  waiting: "Waiting",
  running: "Running",
  stopping: "Stopping",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
};

/** Where the pages of runs are. */
export const RUNS = "/runs/";

/** The path of a run's page; a run that is alone has no name. */
export const pathOf = (name: string): string =>
  name === "" ? "/" : `${RUNS}${name.split("/").map(encodeURIComponent).join("/")}`;

/** How far the one run has come whose page this is, and what can be done about it. */
export function runSection(run: RunStatus, isAlone: boolean): Markup {
  const back = isAlone ? undefined : html`<p><a href="/">All runs</a></p>`;
  return live([
    html`<p id="live-state"><strong>${WORDS[run.state]}</strong> ${progressText(run)}</p>`,
    bar(run),
    messageOf(run),
    html`<div class="buttons">${buttons(run)}</div>`,
    back,
  ]);
}

/** The same for all of them: those that run, or went wrong, by name, and how many others there are. */
export function boardSection(board: Board): Markup {
  const { runs } = board;
  const count = (state: RunState) => runs.filter((run) => run.state === state).length;
  const counts = (Object.keys(WORDS) as RunState[]).flatMap((state) =>
    count(state) > 0 ? `${formatCount(count(state))} ${WORDS[state].toLowerCase()}` : [],
  );
  const shown = runs.filter(({ state }) => state !== "waiting" && state !== "done");
  const isGoing = runs.some(({ state }) => state === "running");
  return live([
    html`<p id="live-state"><strong>${formatCount(count("done"))} of ${formatCount(runs.length)} runs</strong> ${counts.join(" · ")}</p>`,
    html`<progress id="live-bar" aria-label="Runs done" max="${Math.max(1, runs.length)}" value="${count("done")}"></progress>`,
    shown.length > 0 ? listOf(shown) : undefined,
    html`<div class="buttons">${isGoing ? [button("/checkpoint", "save", "Save checkpoints"), button("/stop", "stop", "Stop all")] : undefined}</div>`,
    doneLinks(runs),
  ]);
}

const live = (content: readonly (Markup | undefined)[]): Markup => section("live", "Live", content);

function listOf(runs: readonly RunStatus[]): Markup {
  const entries = runs.map(
    (run) =>
      html`<li id="live-${run.name}"><a href="${pathOf(run.name)}">${run.name}</a> <strong>${WORDS[run.state]}</strong><p>${progressText(run)}</p>${messageOf(run)}<div class="buttons">${buttons(run)}</div></li>`,
  );
  return html`<ul class="rows">${entries}</ul>`;
}

function doneLinks(runs: readonly RunStatus[]): Markup | undefined {
  const done = runs.filter(({ state }) => state === "done");
  if (done.length === 0) return undefined;
  const links = done.map(({ name, message }) => html`<li><a href="${pathOf(name)}">${name}</a> ${message}</li>`);
  return html`<details id="live-done"><summary>Runs that are done</summary><ul class="rows">${links}</ul></details>`;
}

function progressText({ phase, step, steps, loss, stepSeconds, state, saved }: RunStatus): string {
  if (phase === undefined) return "";
  const left = stepSeconds !== undefined && state === "running" ? stepSeconds * (steps - step) : 0;
  return [
    `${phase}, step ${formatCount(step)} of ${formatCount(steps)}`,
    ...(loss === undefined ? [] : [`loss ${formatNumber(loss)}`]),
    ...(left > 0 ? [`about ${formatSeconds(left)} left`] : []),
    ...(saved === undefined ? [] : [`checkpoint of step ${formatCount(saved)}`]),
  ].join(" · ");
}

const bar = ({ step, steps }: RunStatus): Markup =>
  html`<progress id="live-bar" aria-label="Steps done" max="${Math.max(1, steps)}" value="${Math.min(step, steps)}"></progress>`;

const messageOf = ({ message, state }: RunStatus): Markup | undefined =>
  message && state === "failed" ? html`<p class="note">${message}</p>` : undefined;

function buttons(run: RunStatus): (Markup | undefined)[] {
  if (run.state !== "running") return [];
  const at = run.name === "" ? "" : pathOf(run.name);
  return [
    run.step > 0
      ? button(`${at}/checkpoint`, `save-${run.name}`, run.isSaving ? "Saving …" : "Save a checkpoint", run.isSaving)
      : undefined,
    button(`${at}/stop`, `stop-${run.name}`, "Stop"),
  ];
}

/** A form, so that it works without the script too. An idle one keeps the focus that it has. */
const button = (action: string, id: string, text: string, isIdle = false): Markup =>
  html`<form method="post" action="${action}"><button id="button-${id}"${isIdle ? html` aria-disabled="true"` : undefined}>${text}</button></form>`;
