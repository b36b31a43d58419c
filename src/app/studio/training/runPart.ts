/** One run: how it is going, what came out, or why it failed. */
import { formatBytes, formatCount, formatNumber, formatSeconds, own } from "../../../base/index.js";
import { type Metrics, metricName } from "../../../base/records/index.js";
import type { RunStatus } from "../../../studies/dashboard/index.js";
import { html, type Markup, row, table } from "../../../studies/report/index.js";
import { button, type Fact, facts } from "../page.js";
import type { RunEntry } from "./entries.js";
import { failurePart } from "./failure.js";
import type { RunQueue } from "./queue.js";
import { baselinesOf, type LogFacts, titleOf } from "./runFacts.js";

/** The chosen run. */
export const runPart = (queue: RunQueue, entry: RunEntry): Markup =>
  html`<section id="run" aria-labelledby="run-title"><h2 id="run-title">${entry.name}</h2>${statePart(queue, entry)}</section>`;

/** Its figures, which a reader can fold away; undefined before its first step. */
export function figuresPart(queue: RunQueue, { name, state }: RunEntry): Markup | undefined {
  const figures = queue.figures.of(queue.folderOf(name), state === "running" || state === "elsewhere");
  if (figures?.source === "") return undefined;
  return html`<details class="part" id="figures" open><summary>Figures of ${name}</summary>${figures ?? html`<p class="note">They are being drawn …</p>`}</details>`;
}

function statePart(queue: RunQueue, entry: RunEntry): Markup {
  const { name, state, folder, failure } = entry;
  switch (state) {
    case "running":
      return goingPart(queue.current!);
    case "elsewhere":
      return html`<p role="status">Process ${folder.writer} is writing this run, and not this studio.</p>${reportLink(entry)}`;
    case "waiting":
      return html`<p role="status"><strong>${folder.hasState ? "Paused" : "Waiting"}</strong> ${whereText(entry)}</p><div class="buttons">${queue.current ? undefined : button("/train/go", resumeText(entry), {}, "resume")}${reportLink(entry)}</div>`;
    case "done":
      return html`${resultPart(entry)}<div class="buttons">${reportLink(entry)}${removePart(name)}</div>`;
    default:
      return html`<p role="status"><strong>${state === "failed" ? "Failed" : "Stopped"}</strong> ${whereText(entry)}</p>${failure && failurePart(failure)}
<div class="buttons">${againPart(entry)}${reportLink(entry)}${removePart(name)}</div>`;
  }
}

/** A run that has no state can begin with the settings that were mended since. */
function againPart({ name, folder }: RunEntry): Markup {
  const resume = (text: string) => button("/train/resume", text, { name }, `resume-${name}`);
  if (folder.hasState) return resume("Resume");
  return html`${resume("Start again as it was")}${button("/train/renew", "Start again with the present settings", { name }, `renew-${name}`)}`;
}

const resumeText = ({ folder }: RunEntry): string => (folder.hasState ? "Resume" : "Start again");

function whereText({ log, folder }: RunEntry): string {
  const where =
    log === undefined ? "before its first step." : `after step ${formatCount(log.step)} of ${formatCount(log.steps)}.`;
  return folder.hasState ? `${where} It goes on from its last saved state.` : where;
}

const STATES: Readonly<Record<RunStatus["state"], string>> = {
  waiting: "Starting",
  running: "Running",
  stopping: "Stopping",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
};

/** The run of this studio. */
function goingPart(run: RunStatus): Markup {
  const { state, step, steps, isSaving, name } = run;
  const bar = html`<progress id="run-bar" aria-label="Steps done" max="${Math.max(1, steps)}" value="${Math.min(step, steps)}"></progress>`;
  const save =
    step > 0 ? button("/train/save", isSaving ? "Saving …" : "Save a checkpoint", { name }, "save") : undefined;
  const buttons = state === "running" || state === "waiting";
  return html`<div id="run-state"><p role="status"><strong>${STATES[state]}</strong>${state === "stopping" ? " after this step; its state is saved." : undefined}</p>${facts(factsOf(run))}${bar}</div>
<div class="buttons">${buttons ? [save, button("/train/pause", "Pause", { name }, "pause"), button("/train/stop", "Stop", { name }, "stop")] : undefined}</div>
<p class="help">Pause keeps the run as the first of the queue; Stop takes it out of the queue, and the next one starts. Both save its state.</p>`;
}

function factsOf(run: RunStatus): readonly Fact[] {
  const { phase, step, steps, loss, stepSeconds, rowsPerSecond, tokensPerSecond, saved } = run;
  const rate = (value: number | undefined) => (value === undefined ? undefined : formatCount(Math.round(value)));
  return [
    ["Phase", phase],
    ["Step", steps > 0 ? `${formatCount(step)} of ${formatCount(steps)}` : undefined],
    ["Left", stepSeconds === undefined ? undefined : `about ${formatSeconds(stepSeconds * (steps - step))}`],
    ["Loss", loss === undefined ? undefined : formatNumber(loss)],
    ["Rows a second", rate(rowsPerSecond)],
    ["Tokens a second", rate(tokensPerSecond)],
    ["Last checkpoint", saved === undefined ? undefined : `step ${formatCount(saved)}`],
  ];
}

/** The scores of a finished run beside those of its baselines. */
function resultPart({ folder: { metrics }, log }: RunEntry): Markup {
  const columns = baselinesOf(log);
  const cell = (values: Metrics, name: string) => {
    const value = own(values, name);
    return typeof value === "number" ? formatNumber(value) : "–";
  };
  const rows = Object.keys(metrics).map((name) =>
    row(titleOf(name, log), [cell(metrics, name), ...columns.map(([, values]) => cell(values, name))]),
  );
  const scores = table("Scores", ["Metric", "This run", ...columns.map(([title]) => title)], rows);
  return html`<p role="status"><strong>Done</strong></p>${scores}${log && noBetterNote(metrics, log)}${log && facts(costs(log))}`;
}

/** A warning for a run that is no better than a constant, on the test rows if it has some. */
function noBetterNote(metrics: Metrics, log: LogFacts): Markup | undefined {
  const { judgedBy, majority = {} } = log;
  if (!judgedBy) return undefined;
  const names = [metricName(judgedBy.metric, "test"), judgedBy.metric];
  const name = names.find((one) => own(metrics, one) !== undefined && own(majority, one) !== undefined);
  if (name === undefined) return undefined;
  const gain = metrics[name]! - majority[name]!;
  const isBetter = judgedBy.goal === "minimize" ? gain < 0 : gain > 0;
  return isBetter ? undefined : html`<p class="note">${titleOf(name, log)}: no better than always the same answer.</p>`;
}

const costs = ({ method, model, step, seconds, peakMemoryBytes, trainedParameters }: LogFacts): readonly Fact[] => [
  ["Method", method],
  ["Model", model],
  ["Steps", formatCount(step)],
  ["Time", seconds === undefined ? undefined : formatSeconds(seconds)],
  ["Peak memory", peakMemoryBytes === undefined ? undefined : formatBytes(peakMemoryBytes)],
  ["Trained parameters", trainedParameters === undefined ? undefined : formatCount(trainedParameters)],
];

/** The whole report, once there is a log. */
const reportLink = ({ name, log, folder, state }: RunEntry): Markup | undefined =>
  log !== undefined || (state === "elsewhere" && folder.isRun)
    ? html`<p class="link"><a href="/train/report/${name}">The full report of ${name}</a></p>`
    : undefined;

/** Removing asks by a second button. */
const removePart = (name: string): Markup =>
  html`<details class="remove" id="remove-${name}"><summary>Remove …</summary><p>This removes what bidora wrote into runs/${name}: the trained weights, too.</p>${button("/train/remove", `Remove ${name}`, { name }, `remove-${name}`)}</details>`;
