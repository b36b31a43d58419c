import { formatNumber } from "../common/format.js";
import type { Analysis, AnalyzedRun } from "../files/analysis.js";
import { changesFigure } from "./analysisFigures.js";
import { linesOf, phaseNotes } from "./analysisLines.js";
import { html, type Markup } from "./html.js";
import { section } from "./layout.js";
import { renderPage } from "./page.js";
import { folded, NOTHING, table } from "./table.js";

/**
 * An analysis as one HTML file that needs nothing beside it. All that names come from is escaped.
 * @param generator what says who wrote it, near the beginning
 */
export function renderAnalysis(analysis: Analysis, generator: string): string {
  const { runs, notes } = analysis;
  const names = runs.map(({ name }) => name).join(", ");
  return renderPage({
    title: `${names} – weight decomposition`,
    heading: `Weight decomposition: ${runs.length < 5 ? names : `${runs.length} runs`}`,
    about: axisText(analysis),
    content: [
      ...notes.map((note) => html`<div class="alert" role="note"><p>${note}</p></div>`),
      section("slopes", "Slopes", [slopesTable(runs)]),
      changesFigure(runs),
      section("numbers", "Numbers", runs.map(numbersTable)),
    ],
    source:
      "Made by bidora from the runs’ saved steps, as section 3.2 of DoRA (arXiv 2402.09353) has it. The numbers in full are in analysis.json.",
    generator,
  });
}

const FROM = {
  asked: "as asked for",
  runs: "as the runs' own magnitudes are",
  default: "as this program's DoRA has it by default",
} as const;

function axisText({ axis, axisFrom }: Analysis): string {
  const what = axis === "out" ? "each output (a row of the weight)" : "each input (a column of the weight)";
  return `One magnitude and one direction for ${what}: axis ${axis}, ${FROM[axisFrom]}.`;
}

/** A row a run and kind of layer. */
function slopesTable(runs: readonly AnalyzedRun[]): Markup {
  const hasFull = runs.some(({ againstFull }) => againstFull !== undefined);
  const rows = runs.flatMap((run) =>
    linesOf(run).map(({ layers, phase, fit }, at) => {
      const beside = at === 0 ? run.againstFull : undefined;
      const full = [
        number(beside?.slope),
        number(beside?.difference),
        beside ? (beside.hasSameSign ? "yes" : "no") : "",
      ];
      const cells = [
        ...[run.method, layers, phase ?? NOTHING],
        ...[number(fit.slope), number(fit.intercept), number(fit.correlation), String(fit.points)],
        ...(hasFull ? full : []),
      ];
      const title = fit.note === undefined ? html`` : html` title="${fit.note}"`;
      return html`<tr${title}><th scope="row">${run.name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
    }),
  );
  const head = ["Run", "Method", "Layers", "Phase", "Slope", "Intercept", "Correlation", "Points"];
  const beside = ["Slope of full fine-tuning", "Difference", "Same sign"];
  const notes = [...new Set(runs.flatMap((run) => linesOf(run).flatMap(({ fit }) => fit.note ?? [])))];
  return html`${table("Lines of ΔM over ΔD", hasFull ? [...head, ...beside] : head, rows)}${notes.map((note) => html`<p>${NOTHING}: ${note}</p>`)}${phaseNotes(runs).map((note) => html`<p>${note}</p>`)}`;
}

function numbersTable({ name, layers }: AnalyzedRun): Markup {
  const rows = layers.flatMap(({ path, steps }) =>
    steps.map(({ step, phase, deltaM, deltaD }) => {
      const cells = [step === null ? "end" : String(step), phase ?? NOTHING, number(deltaM), number(deltaD)];
      return html`<tr><th scope="row">${path}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
    }),
  );
  return folded(name, table(`Layers of ${name}`, ["Layer", "Step", "Phase", "ΔM", "ΔD"], rows));
}

const number = (value: number | null | undefined): string =>
  value === null || value === undefined ? NOTHING : formatNumber(value);
