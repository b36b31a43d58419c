import * as Plot from "@observablehq/plot";
import { formatNumber } from "../common/format.js";
import type { AnalyzedLayer, AnalyzedRun, AnalyzedStep, LineFit } from "../files/analysis.js";
import type { Phase } from "../files/events.js";
import { html, type Markup } from "./html.js";
import { figure, type Panel, panels, type Size } from "./layout.js";
import { depthBetween } from "./palette.js";
import { draw } from "./plot.js";
import { type StepMarks, stepMarks } from "./stepMarks.js";

/** A layer at a saved step. */
interface Point extends AnalyzedStep {
  readonly path: string;
  readonly layer: number;
}

type Colour = (layer: number) => string;

/** ΔM over ΔD: a panel a run and kind of layer, a colour a layer, a marker a step, and the line with its slope. */
export function changesFigure(runs: readonly AnalyzedRun[]): Markup {
  const layers = [...new Set(runs.flatMap((run) => run.layers.map(({ layer }) => layer)))].sort((a, b) => a - b);
  const colour: Colour = (layer) => depthBetween(layers.indexOf(layer) / Math.max(1, layers.length - 1));
  const marks = stepMarks(runs.flatMap((run) => run.layers.flatMap((layer) => layer.steps.map(({ step }) => step))));
  const kindsOf = (run: AnalyzedRun) => [...new Set(run.layers.map(({ kind }) => kind))];
  const list = runs.flatMap((run) => kindsOf(run).map((kind) => panelOf(run, kind, colour, marks)));
  const rowLength = Math.max(...runs.map((run) => kindsOf(run).length));
  return figure({
    id: "changes",
    title: "Magnitude over direction",
    drawings: [layerLegend(layers, colour), marks.legend, panels(list, rowLength > 1 ? rowLength : list.length)],
    caption:
      "Each layer at each saved step: how far its magnitudes are from the pretrained weight’s (ΔM) over how far its directions are (ΔD), and the line by least squares through the points, of a run with several phases through those of the phase that it names. Every panel has scales of its own. The numbers are below.",
  });
}

function panelOf(run: AnalyzedRun, kind: string, colour: Colour, marks: StepMarks): Panel {
  const layers = run.layers.filter((layer) => layer.kind === kind);
  return {
    title: `${run.name} · ${kind}`,
    draw: (size) => {
      const of = { title: `${run.name}, ${kind}`, phase: run.fits.phases && run.fits.phase, colour, marks, size };
      return drawKind(layers, run.fits.kinds[kind]!, of);
    },
  };
}

interface Look {
  readonly title: string;
  /** The one that the line is of, in a run of several. */
  readonly phase: Phase | null | undefined;
  readonly colour: Colour;
  readonly marks: StepMarks;
  readonly size: Size;
}

function drawKind(layers: readonly AnalyzedLayer[], fit: LineFit, { title, phase, colour, marks, size }: Look): Markup {
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
          colour(layer),
          tell,
        ),
      ),
      Plot.text([said], {
        frameAnchor: "top-right",
        dy: -16,
        text: (text: string) => text,
        fill: "var(--soft)",
      }),
    ],
  });
}

const tell = ({ path, step, deltaM, deltaD }: Point): string =>
  `${path}, ${step === null ? "end" : `step ${step}`}: ΔM ${formatNumber(deltaM)}, ΔD ${formatNumber(deltaD)}`;

/** From the leftmost point to the rightmost. */
function line(points: readonly Point[], { slope, intercept }: LineFit): Plot.Markish {
  if (slope === null || intercept === null) return null;
  const at = points.map(({ deltaD }) => deltaD);
  const ends = [at.reduce((a, b) => Math.min(a, b)), at.reduce((a, b) => Math.max(a, b))];
  const drawn = ends.map((x) => ({ x, y: intercept + slope * x }));
  return Plot.line(drawn, { x: "x", y: "y", stroke: "var(--soft)", strokeWidth: 1.5, strokeDasharray: "6 4" });
}

const slopeText = ({ slope }: LineFit): string => (slope === null ? "no slope" : `slope ${formatNumber(slope)}`);

function layerLegend(layers: readonly number[], colour: Colour): Markup {
  const items = layers.map((layer) => html`<li><i style="background:${colour(layer)}"></i>${layer}</li>`);
  return html`<ul class="layers" aria-label="Layers">${items}</ul>`;
}
