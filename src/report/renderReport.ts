import { formatTime } from "../common/format.js";
import { learningRateFigure, lossFigure, metricsFigure, upperLevelFigure } from "./figures.js";
import { html, type Markup } from "./html.js";
import { legend } from "./legend.js";
import { magnitudesFigure } from "./magnitudes.js";
import { page } from "./page.js";
import type { RunLog } from "./runLog.js";
import { type Run, toRuns } from "./runs.js";
import { evaluationsTable, machineTables, resultsTable, settingsTables } from "./tables.js";

/**
 * One or more runs as one HTML file that needs nothing beside it: no script, no font, no network. All that the logs hold is
 * escaped.
 */
export function renderReport(logs: readonly RunLog[]): string {
  const runs = toRuns(logs);
  const title = `${runs.map(({ name }) => name).join(", ")} – training report`;
  return page(title, [
    heading(runs),
    runs.map(alerts),
    html`<section><h2>Results</h2>${resultsTable(runs)}${evaluationsTable(runs)}</section>`,
    legend(runs),
    lossFigure(runs),
    metricsFigure(runs),
    upperLevelFigure(runs),
    magnitudesFigure(runs),
    learningRateFigure(runs),
    settingsTables(runs),
    machineTables(runs),
    html`<footer>Made by bidora from the runs' events.jsonl.</footer>`,
  ]);
}

function heading(runs: readonly Run[]): Markup {
  const begun = runs.flatMap(({ start }) => start?.time ?? []).sort()[0];
  const about = ["model", "task"].flatMap((key) => sharedSetting(runs, key) ?? []);
  const line = [...about, ...(begun ? [formatTime(begun)] : [])].join(" · ");
  const names = runs.map(({ name }) => name).join(", ");
  // The legend names them all; a heading of many lines helps nobody.
  const several = runs.length < 5 ? `${runs.length} runs: ${names}` : `${runs.length} runs`;
  const title = runs.length === 1 ? `Run ${names}` : several;
  return html`<header><h1>${title}</h1><p>${line}</p></header>`;
}

function sharedSetting(runs: readonly Run[], key: string): string | undefined {
  const values = new Set(runs.map(({ start }) => start?.settings[key]));
  const [value] = values;
  return values.size === 1 && typeof value === "string" ? value : undefined;
}

/** Whatever makes a run less than whole is said before its figures. */
function alerts(run: Run): Markup | undefined {
  const step = run.of("step").at(-1)?.step;
  const where = step === undefined ? "before its first step" : `after step ${step}`;
  if (run.error) {
    return html`<div class="alert" role="note"><p><strong>${run.name}</strong> failed ${where}: ${run.error.message} (${run.error.code})</p></div>`;
  }
  if (run.done) return undefined;
  const torn = run.isTorn ? ", in the middle of a line" : "";
  return html`<div class="alert" role="note"><p><strong>${run.name}</strong> has not ended: its log stops ${where}${torn}. It still runs, or was stopped.</p></div>`;
}
