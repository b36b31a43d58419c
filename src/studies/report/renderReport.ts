// The report of one or more runs.
import { formatCount, formatTime, own, stopsByValidation } from "../../base/index.js";
import { metricName, metricRows, type RunLog } from "../../base/records/index.js";
import { costFigure, type RunCost, type ScoreMetric } from "./figures/cost.js";
import { subjectsOf } from "./figures/curves.js";
import { legend } from "./figures/palette.js";
import { trainingFigures } from "./figures/trainingFigures.js";
import { alert, html, type Markup, section } from "./html.js";
import { type LivePart, renderPage } from "./page.js";
import { rowSections } from "./rowSections.js";
import { finalMetrics, type Run, setting, toRuns } from "./runs.js";
import { evaluationsTable, machineTables, resultsTable, settingsTables } from "./tables.js";

/**
 * One or more runs as one self-contained HTML file. All values from the logs are escaped.
 * @param live the progress of the runs, if the page is served while they run
 */
export function renderReport(logs: readonly RunLog[], live?: LivePart): string {
  const runs = toRuns(logs);
  const subjects = subjectsOf(runs);
  const predicted = runs.flatMap((run, i) => {
    const predictions = logs[i]?.predictions;
    return predictions ? [{ run, predictions }] : [];
  });
  return renderPage({
    title: `${runs.length < MOST_NAMED ? namesOf(runs) : headingOf(runs)} – training report`,
    heading: headingOf(runs),
    about: aboutOf(runs),
    content: [
      ...(live ? [] : runs.map(alertOf)),
      section("results", "Results", [
        resultsTable(runs),
        selectionNote(runs),
        skippedNote(runs),
        evaluationsTable(runs),
      ]),
      legend(runs),
      ...trainingFigures(subjects),
      costOf(runs),
      ...rowSections(predicted),
      settingsTables(subjects),
      machineTables(subjects),
    ],
    source: "Made by bidora from the runs’ events.jsonl and predictions.",
    live,
  });
}

/** The page of a run without figures so far. */
export const renderWaiting = (name: string, live: LivePart): string =>
  renderPage({
    title: `${name} – live`,
    heading: name,
    about: "Figures appear after the first steps.",
    content: [],
    source: "Made by bidora.",
    live,
  });

/** With more runs than this, the heading has their number only; the legend has all names. */
const MOST_NAMED = 5;

const namesOf = (runs: readonly Run[]): string => runs.map(({ name }) => name).join(", ");

function headingOf(runs: readonly Run[]): string {
  if (runs.length === 1) return `Run ${namesOf(runs)}`;
  return runs.length < MOST_NAMED ? `${runs.length} runs: ${namesOf(runs)}` : `${runs.length} runs`;
}

const aboutOf = (runs: readonly Run[]): string =>
  [...["model", "task"].flatMap((key) => sharedSetting(runs, key) ?? []), ...startTimes(runs)].join(" · ");

/** When the first run began, if known. */
export function startTimes(runs: readonly Run[]): string[] {
  const [first] = runs.flatMap(({ start }) => start?.time ?? []).sort();
  return first === undefined ? [] : [formatTime(first)];
}

export function sharedSetting(runs: readonly Run[], key: string): string | undefined {
  const values = new Set(runs.map((run) => setting(run, key)));
  const [value] = values;
  return values.size === 1 && typeof value === "string" ? value : undefined;
}

/** A warning about a run that failed or has not ended, before its figures. */
export function alertOf(run: Run): Markup | undefined {
  const step = run.of("step").at(-1)?.step;
  const where = step === undefined ? "before its first step" : `after step ${step}`;
  if (run.error) {
    return alert(html`<strong>${run.name}</strong> failed ${where}: ${run.error.message} (${run.error.code})`);
  }
  if (run.done) return undefined;
  const torn = run.isTorn ? ", in the middle of a line" : "";
  return alert(
    html`<strong>${run.name}</strong> has not finished: its log ends ${where}${torn}. It is still running, or was stopped.`,
  );
}

/** The cost figure of runs on one task. Runs of one method share a mark. */
function costOf(runs: readonly Run[]): Markup | undefined {
  const scored = ofCommonRows(scoreMetricOf(runs), runs);
  if (!scored || sharedSetting(runs, "task") === undefined) return undefined;
  const methods = runs.map((run) => String(setting(run, "method") ?? run.name));
  const isRepeated = new Set(methods).size < runs.length;
  const spent = runs.flatMap((run, i): RunCost[] => {
    const score = scoreOf(run, scored.metric);
    const { seconds } = run;
    if (score === undefined || !run.done || seconds === undefined || !run.start) return [];
    // Several runs of a method have the color of its first run.
    const [name, index] = isRepeated ? [methods[i]!, methods.indexOf(methods[i]!)] : [run.name, run.index];
    const { peakMemoryBytes } = run.done;
    return [
      { name, index, run: run.name, score, seconds, peakMemoryBytes, trainedParameters: run.start.parameters.trained },
    ];
  });
  return costFigure(spent, scored);
}

function scoreMetricOf(runs: readonly Run[]): ScoreMetric | undefined {
  const metrics = runs.map(({ start }) => start?.judgedBy);
  const [first] = metrics;
  if (first && metrics.every((one) => one?.metric === first.metric)) return first;
  const names = Object.keys(runs[0] ? finalMetrics(runs[0]) : {});
  const metric = names.find(
    (name) =>
      name !== "loss" && metricRows(name) === "validation" && runs.every((run) => scoreOf(run, name) !== undefined),
  );
  return metric === undefined ? undefined : { metric };
}

/** The metric on test rows if all finished runs have it, else on validation rows: scores on different rows are not comparable. */
function ofCommonRows(scored: ScoreMetric | undefined, runs: readonly Run[]): ScoreMetric | undefined {
  if (!scored) return undefined;
  const names = [metricName(scored.metric, "test"), scored.metric];
  const withScore = runs.filter((run) => run.done && names.some((name) => scoreOf(run, name) !== undefined));
  const metric = names.find((name) => withScore.every((run) => scoreOf(run, name) !== undefined));
  return metric === undefined ? undefined : { ...scored, metric };
}

function scoreOf(run: Run, metric: string): number | undefined {
  const score = own(finalMetrics(run), metric);
  return typeof score === "number" && Number.isFinite(score) ? score : undefined;
}

/** Warns that a validation score was also used for early stopping; undefined if none was. */
function selectionNote(runs: readonly Run[]): Markup | undefined {
  const chosen = runs.filter(({ start, done }) => done && stopsByValidation(start?.settings ?? {}));
  if (chosen.length === 0) return undefined;
  const which = runs.length === 1 ? "" : ` of ${chosen.map(({ name }) => name).join(", ")}`;
  return html`<p class="note">Early stopping kept the state${which} that was best on the validation rows: the validation score was used for selection, so it is too optimistic for new rows.</p>`;
}

/** How many batches were skipped because a number was not finite; undefined if none was. */
function skippedNote(runs: readonly Run[]): Markup | undefined {
  const counts = runs.flatMap((run) => {
    const count = run.of("step").reduce((sum, { skipped = 0 }) => sum + skipped, 0);
    return count > 0 ? `${run.name}: ${formatCount(count)}` : [];
  });
  if (counts.length === 0) return undefined;
  return html`<p class="note">Steps that went on with other batches, because a loss or a gradient was not finite (by --on-nonfinite skip, or until the loss's scale fitted float16): ${counts.join("; ")}.</p>`;
}
