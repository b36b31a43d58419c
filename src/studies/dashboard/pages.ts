// The pages of the dashboard.
import { BidoraError, formatCount, formatNumber, formatSeconds } from "../../base/index.js";
import { readRun } from "../../base/records/index.js";
import { html, Markup, section } from "../report/html.js";
import type { LivePart } from "../report/index.js";
import { renderReport, renderWaiting } from "../report/renderReport.js";
import type { Board, RunState, RunStatus } from "./board.js";

/** The runs of a dashboard, and its controls. */
export interface Watched {
  readonly board: Board;
  /** Draws the page of a run, or of all runs. */
  draw(run: string | undefined, live: LivePart): Promise<string>;
  /** Stops a run, or all runs, after the current step, and saves their state. */
  stop(run: string | undefined): void;
  /** Makes a run save a checkpoint after its step. */
  checkpoint(run: string): void;
}

/** One page: that of a run, or of all runs. */
export interface ShownPage {
  readonly run: string | undefined;
  readonly page: LivePage;
}

/** A placeholder in a drawn page for the progress of its runs, which changes with every step. */
const STATUS = new Markup("<!-- live -->");

/** The pages of a dashboard by path, each created on its first request. */
export class Pages {
  readonly #shown = new Map<string, ShownPage>();

  constructor(
    private readonly watched: Watched,
    private readonly scripts: readonly string[],
  ) {}

  changed(): void {
    for (const { page } of this.#shown.values()) page.changed();
  }

  at(path: string): ShownPage | undefined {
    const known = this.#shown.get(path);
    if (known) return known;
    const run = this.#runAt(path);
    if (run === undefined && path !== "/") return undefined;
    const shown: ShownPage = {
      run,
      page: new LivePage(() => this.watched.draw(run, { status: STATUS, scripts: this.scripts })),
    };
    this.#shown.set(path, shown);
    return shown;
  }

  /** The run of a path: a single run is at the top, others are at their names. */
  #runAt(path: string): string | undefined {
    const name = path === "/" ? "" : path.startsWith(RUNS) ? path.slice(RUNS.length) : undefined;
    return name === undefined ? undefined : this.watched.board.run(name)?.name;
  }

  /** A page with its last drawn figures and the current progress of its runs. @param isWanted as in `LivePage` */
  async html({ run, page }: ShownPage, isWanted: boolean): Promise<string> {
    const drawn = await page.html(isWanted);
    return drawn.replace(STATUS.source, () => this.statusOf(run).source);
  }

  statusOf(run: string | undefined): Markup {
    const status = run === undefined ? undefined : this.watched.board.run(run);
    return status ? runSection(status, run === "") : boardSection(this.watched.board);
  }
}

/** Drawing takes at most this share of the time, because the runs need the rest. MOST limits the wait. */
const SHARE = 0.1;
/** The minimum and the maximum of milliseconds between two drawings. */
const LEAST = 2000;
const MOST = 30_000;

/** A page that is drawn on request, if something has changed and the last drawing is old enough. */
export class LivePage {
  #html: Promise<string> | undefined;
  #isStale = true;
  #notBefore = 0;

  constructor(
    private readonly draw: () => Promise<string>,
    private readonly now = () => performance.now(),
  ) {}

  changed(): void {
    this.#isStale = true;
  }

  /** Whether a request would draw the page again. */
  get isDue(): boolean {
    return this.#isStale && this.now() >= this.#notBefore;
  }

  /** The page as last drawn, or drawn again. @param isWanted draws an outdated page without waiting */
  html(isWanted = false): Promise<string> {
    if (this.#html && !this.isDue && !(isWanted && this.#isStale)) return this.#html;
    const began = this.now();
    this.#isStale = false;
    // No second drawing starts while this one runs.
    this.#notBefore = Number.POSITIVE_INFINITY;
    this.#html = this.draw().finally(() => {
      const spent = this.now() - began;
      this.#notBefore = this.now() + Math.min(MOST, Math.max(LEAST, spent / SHARE));
    });
    return this.#html;
  }
}

const WORDS: Readonly<Record<RunState, string>> = {
  waiting: "Waiting",
  running: "Running",
  stopping: "Stopping",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
};

const RUNS = "/runs/";

/** The path of a run's page. A single run has no name. */
export const pathOf = (name: string): string =>
  name === "" ? "/" : `${RUNS}${name.split("/").map(encodeURIComponent).join("/")}`;

/** The progress of one run, and its controls. */
function runSection(run: RunStatus, isAlone: boolean): Markup {
  const back = isAlone ? undefined : html`<p><a href="/">All runs</a></p>`;
  return live([
    html`<p id="live-state"><strong>${WORDS[run.state]}</strong> ${progressText(run)}</p>`,
    bar(run),
    messageOf(run),
    html`<div class="buttons">${buttons(run)}</div>`,
    back,
  ]);
}

/** The same for all runs: running and failed ones by name, and the number of the others. */
function boardSection(board: Board): Markup {
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

/** A form, so that it also works without the script. A disabled button keeps the focus. */
const button = (action: string, id: string, text: string, isIdle = false): Markup =>
  html`<form method="post" action="${action}"><button id="button-${id}"${isIdle ? html` aria-disabled="true"` : undefined}>${text}</button></form>`;

/**
 * The report of a running run, from the current content of its folder.
 * @param isThere false if the folder still has the files of an earlier run, which this run replaces at its first step
 */
export async function runPage(folder: string, name: string, live: LivePart, isThere = true): Promise<string> {
  if (!isThere) return renderWaiting(name, live);
  try {
    return renderReport([await readRun(folder)], live);
  } catch (error) {
    // Before its first step a run has no files.
    if (error instanceof BidoraError && error.code === "RUN_LOG") return renderWaiting(name, live);
    throw error;
  }
}
