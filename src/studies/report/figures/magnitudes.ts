// The figure of moving magnitudes.
import * as Plot from "@observablehq/plot";
import { rollups } from "d3-array";
import { formatCount, formatNumber } from "../../../base/index.js";
import { mean } from "../../statistics/summary.js";
import { figure, html, type Markup, NOTHING, panels, row, type Size, table, titled } from "../html.js";
import { type ModulePath, modulePathOf, type Run } from "../runs.js";
import { type CurveSubject, evenlyChosen } from "./curves.js";
import { DEPTH_COLORS, depthColor } from "./palette.js";
import { draw, retrainRules } from "./plot.js";

interface Moved extends ModulePath {
  readonly step: number;
  readonly value: number;
}

/** One drawing: the layers of one kind of module in one subject. */
interface Group {
  readonly subject: CurveSubject;
  readonly kind: string;
  readonly moved: readonly Moved[];
}

/** How far each module's magnitudes moved: a panel for each subject and kind of module, a line for each layer. */
export function magnitudesFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const groups = subjects.flatMap(groupsOf);
  if (groups.length === 0) return undefined;
  const all = groups.flatMap(({ moved }) => moved);
  const largest = all.reduce((max, { value }) => Math.max(max, value), 0);
  const lastLayer = all.reduce((max, { layer }) => Math.max(max, layer), 0);
  const list = groups.map((group) => ({
    title: `${group.subject.name} · ${group.kind}`,
    draw: (size: Size) => drawLayers(group, { largest, lastLayer }, size),
  }));
  const kinds = new Set(groups.map(({ kind }) => kind)).size;
  const isMean = groups.some(({ subject }) => subject.runs.length > 1);
  return figure({
    id: "magnitudes",
    title: "Movement of the magnitudes",
    task,
    drawings: [depthLegend(lastLayer), panels(list, kinds > 1 ? kinds : list.length)],
    caption: `Mean of |m − m₀| over each module’s magnitudes since the start of the run${isMean ? ", and over a method’s seeds" : ""}. All panels have the same scale.`,
    numbers: groups.map((group) => layersTable(group, task)),
  });
}

function groupsOf(subject: CurveSubject): Group[] {
  const moved = movementOf(subject.runs);
  return [...new Set(moved.map(({ kind }) => kind))].map((kind) => ({
    subject,
    kind,
    moved: moved.filter((one) => one.kind === kind),
  }));
}

/** The most steps of a line: more can't be distinguished. */
const MOST_STEPS = 200;

/** The values of a run, or the mean over several runs at each step that any of them has. */
function movementOf(runs: readonly Run[]): Moved[] {
  const moves = runs.flatMap((run) => {
    // A step can have two events, during training and at the end: the first one belongs on the curve.
    const first = new Map(
      run
        .of("magnitudes")
        .toReversed()
        .map((event) => [event.step, event]),
    );
    return evenlyChosen([...first.values()].reverse(), MOST_STEPS).flatMap(({ step, layers }) =>
      Object.entries(layers).flatMap(([path, value]) =>
        Number.isFinite(value) && Number.isFinite(step) ? [{ ...modulePathOf(path), step, value }] : [],
      ),
    );
  });
  const keyOf = (one: Moved) => JSON.stringify([one.kind, one.layer, one.step]);
  const means = rollups(moves, (same) => ({ ...same[0]!, value: mean(same.map(({ value }) => value)) }), keyOf).map(
    ([, one]) => one,
  );
  const modules = new Map(moves.map((one) => [JSON.stringify([one.layer, one.kind]), one]));
  // At the start nothing has moved.
  return [...[...modules.values()].map((one) => ({ ...one, step: 0, value: 0 })), ...means];
}

interface Scale {
  readonly largest: number;
  readonly lastLayer: number;
}

const layersOf = (moved: readonly Moved[]): number[] =>
  [...new Set(moved.map(({ layer }) => layer))].sort((a, b) => a - b);

function drawLayers({ subject, kind, moved }: Group, { largest, lastLayer }: Scale, size: Size): Markup {
  const color = ({ layer }: Moved) => depthColor(Math.round((layer / Math.max(1, lastLayer)) * (DEPTH_COLORS - 1)));
  const ends = layersOf(moved).map((layer) => moved.findLast((one) => one.layer === layer)!);
  const summary = ends.map(({ layer, value }) => `layer ${layer} by ${formatNumber(value)}`).join(", ");
  return draw({
    title: `Magnitudes of ${subject.name}, ${kind}`,
    description: `Moved at the end: ${summary}.`,
    ...size,
    yDomain: [0, largest || 1],
    marks: [
      ...retrainRules(subject.runs),
      ...layersOf(moved).map((layer) => {
        const line = moved.filter((one) => one.layer === layer).sort((a, b) => a.step - b.step);
        return Plot.line(line, { x: "step", y: "value", stroke: color(line[0]!), strokeWidth: 1.8 });
      }),
      Plot.dot(ends, {
        x: "step",
        y: "value",
        r: 3,
        fill: color,
        title: ({ layer, value }: Moved) => `layer ${layer}: ${formatNumber(value)}`,
      }),
      // The first and the last layer have labels, because shades alone are hard to distinguish.
      Plot.text(ends.length > 1 ? [ends[0]!, ends.at(-1)!] : ends, {
        x: "step",
        y: "value",
        dx: -6,
        dy: -8,
        textAnchor: "end",
        text: ({ layer }: Moved) => String(layer),
        fill: "var(--soft)",
        stroke: "var(--card)",
        strokeWidth: 3,
      }),
    ],
  });
}

function layersTable({ subject, kind, moved }: Group, task: string | undefined): Markup {
  const steps = [...new Set(moved.map(({ step }) => step))].sort((a, b) => a - b);
  const stretch = Math.ceil(steps.length / 8);
  const shown = steps.filter((_, place) => (steps.length - 1 - place) % stretch === 0);
  const known = new Map(moved.map(({ layer, step, value }) => [`${layer} ${step}`, value]));
  const rows = layersOf(moved).map((layer) =>
    row(
      `Layer ${layer}`,
      shown.map((step) => {
        const value = known.get(`${layer} ${step}`);
        return value === undefined ? NOTHING : formatNumber(value);
      }),
    ),
  );
  const head = ["", ...shown.map((step) => `Step ${formatCount(step)}`)];
  return table(titled(`Movement of ${subject.name}, ${kind}`, task), head, rows);
}

function depthLegend(lastLayer: number): Markup {
  const swatches = Array.from(
    { length: DEPTH_COLORS },
    (_, step) => html`<i style="background:${depthColor(step)}"></i>`,
  );
  return html`<p class="depths">layer 0 <span aria-hidden="true">${swatches}</span> layer ${lastLayer}</p>`;
}
