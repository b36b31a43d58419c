/** One comparison: how far it is, and its results. */
import { join } from "node:path";
import { formatCount } from "../../../base/index.js";
import { COMPARISON } from "../../../base/records/index.js";
import { comparisonScores, html, type Markup } from "../../../studies/report/index.js";
import { fileState, Kept } from "../kept.js";
import { button } from "../page.js";
import { failurePart } from "../training/failure.js";
import type { Studio } from "../workspace.js";
import { workOf } from "./comparisons.js";
import { type ComparisonProgress, progressOf } from "./progress.js";
import { workingPart } from "./workingPart.js";

/** The failed runs that are shown. */
const MOST_FAILED = 5;

export async function comparisonPart(studio: Studio, name: string): Promise<Markup> {
  const folder = studio.comparisons.folderOf(name);
  const progress = progressOf(folder);
  const work = studio.works.get(workOf(name));
  const isRunning = work?.state === "running";
  const results = progress.hasResults ? await resultsPart(name, folder) : undefined;
  return html`<section id="comparison" aria-labelledby="comparison-title"><h2 id="comparison-title">${name}</h2>
<p role="status">${stateText(progress, isRunning)}</p>
${progress.isPlanned && !isRunning ? bar(progress) : undefined}
${workingPart(workOf(name), work)}
${progress.failed.slice(0, MOST_FAILED).map(({ run, reason, code }) => html`<p class="note">${run} failed:</p>${failurePart({ message: reason, code }, "/train")}`)}
<div class="buttons">${isRunning ? undefined : goButton(name, progress)}${forgetButton(name, progress, isRunning)}</div></section>${results}`;
}

function stateText({ isPlanned, runs, done, writer }: ComparisonProgress, isRunning: boolean): string {
  const count = `${formatCount(done)} of ${formatCount(runs)} runs are done`;
  if (isRunning) return isPlanned ? `${count}.` : "It is being planned.";
  if (writer !== undefined) return `Process ${writer} is writing this comparison, and not this studio. ${count}.`;
  if (!isPlanned) return "It was not started.";
  return done < runs
    ? `${count}. Going on makes the missing ones, and continues those that were stopped.`
    : `${count}.`;
}

const bar = ({ runs, done }: ComparisonProgress): Markup =>
  html`<progress id="comparison-bar" aria-label="Runs done" max="${Math.max(1, runs)}" value="${done}"></progress>`;

function goButton(name: string, { isPlanned, runs, done, hasResults }: ComparisonProgress): Markup | undefined {
  if (isPlanned && done >= runs && hasResults) return undefined;
  return button("/compare/go", isPlanned ? "Go on" : "Start", { name }, "go");
}

/** A comparison that was only estimated leaves the list. */
const forgetButton = (name: string, { isPlanned }: ComparisonProgress, isRunning: boolean): Markup | undefined =>
  isPlanned || isRunning ? undefined : button("/compare/forget", "Remove from the list", { name }, "forget");

const scores = new Kept<Promise<Markup>>();

/** Tables of scores and tests, and the whole report. */
async function resultsPart(name: string, folder: string): Promise<Markup> {
  const version = fileState(join(folder, COMPARISON)) ?? [];
  const address = `/compare/report/${name}`;
  return html`${await scores.of(folder, version, () => comparisonScores(folder))}
<section id="report" aria-labelledby="report-title"><h2 id="report-title">Report</h2><p><a href="${address}">The report of ${name} on a page of its own</a></p><iframe title="Report of the comparison ${name}" src="${address}?v=${version.join("-")}" loading="lazy"></iframe></section>`;
}
