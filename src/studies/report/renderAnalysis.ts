// The report of an analysis.
import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber } from "../../base/index.js";
import type { Analysis, AnalyzedLayer, AnalyzedRun, AnalyzedStep, LineFit, Phase } from "../../base/records/index.js";
import { linesOf, phaseNotes } from "./analysisLines.js";
import { depthBetween } from "./figures/palette.js";
import { draw, drawBare } from "./figures/plot.js";
import {
  alert,
  collapsed,
  figure,
  html,
  type Markup,
  NOTHING,
  type Panel,
  panels,
  row,
  type Size,
  section,
  table,
} from "./html.js";
import { renderPage } from "./page.js";
import { methodTable, numberText } from "./slopeTables.js";

/** An analysis as one self-contained HTML file. All names are escaped. */
export function renderAnalysis(analysis: Analysis, generator: string): string {
  const { runs, notes } = analysis;
  const names = runs.map(({ name }) => name).join(", ");
  return renderPage({
    title: `${names} – weight decomposition`,
    heading: `Weight decomposition: ${runs.length < 5 ? names : `${runs.length} runs`}`,
    about: axisText(analysis),
    content: [
      ...notes.map(alert),
      section("slopes", "Slopes", [methodsTable(analysis), slopesTable(runs)]),
      changesFigure(runs),
      section("numbers", "Numbers", runs.map(numbersTable)),
    ],
    source:
      "Made by bidora from the runs’ saved steps, as in section 3.2 of DoRA (arXiv 2402.09353). All numbers are in analysis.json.",
    generator,
  });
}

const FROM = {
  asked: "as requested",
  runs: "as in the runs' adapters",
  default: "the default of bidora's DoRA",
} as const;

function axisText({ axis, axisFrom }: Analysis): string {
  const what = axis === "out" ? "each output (a row of the weight)" : "each input (a column of the weight)";
  return `One magnitude and one direction for ${what}: axis ${axis}, ${FROM[axisFrom]}.`;
}

/** One row for each method of a comparison and kind of layer. */
function methodsTable(analysis: Analysis): Markup {
  const found = methodTable(analysis, NOTHING);
  if (found === undefined) return html``;
  const rows = found.rows.map(([name = "", ...cells]) => row(name, cells));
  return html`${table(found.title, found.head, rows)}${found.notes.map((note) => html`<p>${note}</p>`)}`;
}

/** One row for each run and kind of layer. */
function slopesTable(runs: readonly AnalyzedRun[]): Markup {
  const hasFull = runs.some(({ againstFull }) => againstFull !== undefined);
  const rows = runs.flatMap((run) =>
    linesOf(run).map(({ layers, phase, fit }, at) => {
      const beside = at === 0 ? run.againstFull : undefined;
      const sign = beside ? (beside.hasSameSign ? "yes" : "no") : "";
      const full = [number(beside?.slope), number(beside?.difference), sign];
      const cells = [
        ...[run.method, layers, phase ?? NOTHING],
        ...[number(fit.slope), number(fit.within), number(fit.across)],
        ...[number(fit.intercept), number(fit.correlation), String(fit.points)],
        ...(hasFull ? full : []),
      ];
      return row(run.name, cells, fit.note);
    }),
  );
  const slopes = ["Slope", "Within layers", "Across layers"];
  const head = ["Run", "Method", "Layers", "Phase", ...slopes, "Intercept", "Correlation", "Points"];
  const beside = ["Slope of full fine-tuning", "Difference", "Same sign"];
  const notes = [...new Set(runs.flatMap((run) => linesOf(run).flatMap(({ fit }) => fit.note ?? [])))];
  return html`${table("Lines of ΔM over ΔD", hasFull ? [...head, ...beside] : head, rows)}${notes.map((note) => html`<p>${NOTHING}: ${note}</p>`)}${phaseNotes(runs).map((note) => html`<p>${note}</p>`)}`;
}

function numbersTable({ name, layers }: AnalyzedRun): Markup {
  const rows = layers.flatMap(({ path, steps }) =>
    steps.map(({ step, phase, deltaM, deltaD }) => {
      const cells = [step === null ? "end" : String(step), phase ?? NOTHING, number(deltaM), number(deltaD)];
      return row(path, cells);
    }),
  );
  return collapsed(name, table(`Layers of ${name}`, ["Layer", "Step", "Phase", "ΔM", "ΔD"], rows));
}

const number = (value: number | null | undefined): string => numberText(value, NOTHING);

interface Point extends AnalyzedStep {
  readonly path: string;
  readonly layer: number;
}

type Color = (layer: number) => string;

/** ΔM over ΔD: a panel for each run and kind of layer, a color for each layer, a marker for each step, and the fitted line. */
function changesFigure(runs: readonly AnalyzedRun[]): Markup {
  const layers = [...new Set(runs.flatMap((run) => run.layers.map(({ layer }) => layer)))].sort((a, b) => a - b);
  const color: Color = (layer) => depthBetween(layers.indexOf(layer) / Math.max(1, layers.length - 1));
  const marks = stepMarks(runs.flatMap((run) => run.layers.flatMap((layer) => layer.steps.map(({ step }) => step))));
  const kindsOf = (run: AnalyzedRun) => [...new Set(run.layers.map(({ kind }) => kind))];
  const list = runs.flatMap((run) => kindsOf(run).map((kind) => panelOf(run, kind, color, marks)));
  const rowLength = Math.max(...runs.map((run) => kindsOf(run).length));
  return figure({
    id: "changes",
    title: "Magnitude over direction",
    drawings: [layerLegend(layers, color), marks.legend, panels(list, rowLength > 1 ? rowLength : list.length)],
    caption:
      "Each layer at each saved step: the distance of its magnitudes (ΔM) over the distance of its directions (ΔD) from the pretrained weight, with a least-squares line. In a run with several phases the line fits the named phase. Each panel has its own scales. The numbers are below.",
  });
}

function panelOf(run: AnalyzedRun, kind: string, color: Color, marks: StepMarks): Panel {
  const layers = run.layers.filter((layer) => layer.kind === kind);
  return {
    title: `${run.name} · ${kind}`,
    draw: (size) => {
      const of = { title: `${run.name}, ${kind}`, phase: run.fits.phases && run.fits.phase, color, marks, size };
      return drawKind(layers, run.fits.kinds[kind]!, of);
    },
  };
}

interface Look {
  readonly title: string;
  /** The phase of the line, in a run with several phases. */
  readonly phase: Phase | null | undefined;
  readonly color: Color;
  readonly marks: StepMarks;
  readonly size: Size;
}

function drawKind(layers: readonly AnalyzedLayer[], fit: LineFit, { title, phase, color, marks, size }: Look): Markup {
  const points = layers.flatMap(({ path, layer, steps }) => steps.map((step): Point => ({ ...step, path, layer })));
  const said = phase ? `${phase}: ${slopeText(fit)}` : slopeText(fit);
  return draw({
    title: `ΔM over ΔD of ${title}`,
    description: `${points.length} points, ${said}.`,
    ...size,
    x: { label: "ΔD" },
    yLabel: "ΔM",
    marks: [
      line(phase ? points.filter((point) => point.phase === phase) : points, fit),
      ...layers.flatMap(({ layer }) =>
        marks.draw(
          points.filter((point) => point.layer === layer),
          color(layer),
          tooltip,
        ),
      ),
      Plot.text([said], { frameAnchor: "top-right", dy: -16, text: (text: string) => text, fill: "var(--soft)" }),
    ],
  });
}

const tooltip = ({ path, step, deltaM, deltaD }: Point): string =>
  `${path}, ${step === null ? "end" : `step ${step}`}: ΔM ${formatNumber(deltaM)}, ΔD ${formatNumber(deltaD)}`;

/** The fitted line from the leftmost point to the rightmost. */
function line(points: readonly Point[], { slope, intercept }: LineFit): Plot.Markish {
  if (slope === null || intercept === null) return null;
  const at = points.map(({ deltaD }) => deltaD);
  const ends = [at.reduce((a, b) => Math.min(a, b)), at.reduce((a, b) => Math.max(a, b))];
  const drawn = ends.map((x) => ({ x, y: intercept + slope * x }));
  return Plot.line(drawn, { x: "x", y: "y", stroke: "var(--soft)", strokeWidth: 1.5, strokeDasharray: "6 4" });
}

const slopeText = ({ slope }: LineFit): string => (slope === null ? "no slope" : `slope ${formatNumber(slope)}`);

function layerLegend(layers: readonly number[], color: Color): Markup {
  const items = layers.map((layer) => html`<li><i style="background:${color(layer)}"></i>${layer}</li>`);
  return html`<ul class="layers" aria-label="Layers">${items}</ul>`;
}

/** Filled markers, then stroked ones. All look different. */
const SYMBOLS = [
  ...["circle", "square", "triangle", "diamond", "star", "cross", "wye", "hexagon"],
  ...["times", "plus", "triangle2", "square2", "diamond2", "asterisk"],
] as const;
const FILLED = 8;

type Step = AnalyzedStep["step"];

interface StepMarks {
  readonly legend: Markup;
  /** Draws points in one color, each with the marker of its step. */
  draw<P extends AnalyzedStep>(points: readonly P[], color: string, tooltip: (point: P) => string): Plot.Markish[];
}

/** Gives each step a marker. With more steps than markers, the markers are used again in a larger size. */
function stepMarks(steps: readonly Step[]): StepMarks {
  const known = [...new Set(steps)].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  const mark = (step: Step, color: string) => {
    const at = known.indexOf(step);
    const symbol = at % SYMBOLS.length;
    const paint = symbol < FILLED ? { fill: color } : { stroke: color, strokeWidth: 1.6 };
    return { symbol: SYMBOLS[symbol]!, r: 3.4 + 1.6 * Math.floor(at / SYMBOLS.length), ...paint };
  };
  return {
    legend: html`<ul class="layers" aria-label="Steps">${known.map((step) => legendItem(step, mark(step, "currentColor")))}</ul>`,
    draw: (points, color, tooltip) =>
      known.map((step) =>
        Plot.dot(
          points.filter((point) => point.step === step),
          { x: "deltaD", y: "deltaM", title: tooltip, ...mark(step, color) },
        ),
      ),
  };
}

function legendItem(step: Step, mark: Plot.DotOptions): Markup {
  const drawing = drawBare([Plot.dot([[0, 0]], mark)], 14);
  return html`<li>${drawing}${step === null ? "end" : `step ${formatCount(step)}`}</li>`;
}
