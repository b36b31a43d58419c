import * as Plot from "@observablehq/plot";
import { formatNumber } from "../common/format.js";
import { html, type Markup } from "./html.js";
import { figure, panels, type Size } from "./layout.js";
import { type ModulePath, modulePathOf } from "./modulePath.js";
import { DEPTH_COLOURS, depthColour } from "./palette.js";
import { draw, retrainRules } from "./plot.js";
import type { Run } from "./runs.js";

interface Moved extends ModulePath {
  readonly step: number;
  readonly value: number;
}

/** How far each module's magnitudes moved: a panel for each run and kind of module, a line a layer. */
export function magnitudesFigure(runs: readonly Run[]): Markup | undefined {
  const moving = runs.map((run) => ({ run, moved: movementOf(run) })).filter(({ moved }) => moved.length > 0);
  if (moving.length === 0) return undefined;
  const all = moving.flatMap(({ moved }) => moved);
  const largest = all.reduce((max, { value }) => Math.max(max, value), 0);
  const lastLayer = all.reduce((max, { layer }) => Math.max(max, layer), 0);
  const kindsOf = (moved: readonly Moved[]) => [...new Set(moved.map(({ kind }) => kind))];
  const list = moving.flatMap(({ run, moved }) =>
    kindsOf(moved).map((kind) => ({
      title: `${run.name} · ${kind}`,
      draw: (size: Size) =>
        drawLayers(
          run,
          moved.filter((one) => one.kind === kind),
          { largest, lastLayer },
          size,
        ),
    })),
  );
  const kinds = kindsOf(all).length;
  return figure(
    "Movement of the magnitudes",
    [depthLegend(lastLayer), panels(list, kinds > 1 ? kinds : list.length)],
    "Mean of |m − m₀| over each module's magnitudes since the start of the run; all panels on one scale.",
  );
}

function movementOf(run: Run): Moved[] {
  const told = run
    .of("magnitudes")
    .flatMap(({ step, layers }) =>
      Object.entries(layers).flatMap(([path, value]) =>
        Number.isFinite(value) ? [{ ...modulePathOf(path), step, value }] : [],
      ),
    );
  const modules = new Map(told.map((one) => [`${one.layer} ${one.kind}`, one]));
  // Nothing has moved at the start, by definition.
  return [...[...modules.values()].map((one) => ({ ...one, step: 0, value: 0 })), ...told];
}

/** What all panels share. */
interface Scale {
  readonly largest: number;
  readonly lastLayer: number;
}

function drawLayers(run: Run, moved: readonly Moved[], { largest, lastLayer }: Scale, size: Size): Markup {
  const colour = ({ layer }: Moved) => depthColour(Math.round((layer / Math.max(1, lastLayer)) * (DEPTH_COLOURS - 1)));
  const layers = [...new Set(moved.map(({ layer }) => layer))].sort((a, b) => a - b);
  const ends = layers.map((layer) => moved.findLast((one) => one.layer === layer)!);
  const told = ends.map(({ layer, value }) => `layer ${layer} by ${formatNumber(value)}`).join(", ");
  return draw({
    alt: `Magnitudes of ${run.name}, ${moved[0]?.kind ?? ""}, moved at the end: ${told}.`,
    ...size,
    yDomain: [0, largest || 1],
    marks: [
      ...retrainRules([run]),
      ...layers.map((layer) => {
        const line = moved.filter((one) => one.layer === layer);
        return Plot.line(line, { x: "step", y: "value", stroke: colour(line[0]!), strokeWidth: 1.8 });
      }),
      Plot.dot(ends, {
        x: "step",
        y: "value",
        r: 3,
        fill: colour,
        title: ({ layer, value }: Moved) => `layer ${layer}: ${formatNumber(value)}`,
      }),
    ],
  });
}

function depthLegend(lastLayer: number): Markup {
  const swatches = Array.from(
    { length: DEPTH_COLOURS },
    (_, step) => html`<i style="background:${depthColour(step)}"></i>`,
  );
  return html`<p class="depths">layer 0 <span aria-hidden="true">${swatches}</span> layer ${lastLayer}</p>`;
}
