// Drawings of curves over steps, and tables of their values.
import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber } from "../../../base/index.js";
import { collapsed, type Markup, panels, type Size, titled } from "../html.js";
import { type BestPoint, type Point, phasesIn } from "../runs.js";
import { NOTHING, row, table } from "../table.js";
import { type BandPoint, type Curve, downsample, evenlyChosen } from "./curves.js";
import { runColor } from "./palette.js";
import { around, curve, dots, draw, retrainRules } from "./plot.js";

interface CurvesDrawing {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** A dot at each point; else a few marks along the curve, to identify it without color. */
  readonly withDots?: boolean;
  /** Points with a ring. */
  readonly best?: readonly (BestPoint & { readonly index: number })[];
}

/** The most points of a smoothed curve and of the raw values, in a drawing with several curves. */
const TREND = 240;
const RAW = 500;

/** Curves over steps: smoothed values, raw values, bands of spread, and best points. */
export function drawCurves({ title, curves, withDots = false, best = [] }: CurvesDrawing, size: Size): Markup {
  const share = Math.max(1, curves.length / 4);
  const all = curves.flatMap(({ points, raw, band }) => [
    ...[...points, ...raw].map(({ value }) => value),
    ...band.flatMap(({ low, high }) => [low, high]),
  ]);
  const isFlat = all.every((value) => value === all[0]);
  const thinned = curves.map((one) => ({ ...one, points: downsample(one.points, TREND) }));
  return draw({
    title,
    description: `${describe(curves)}${best.map((point) => `; best at step ${point.step}: ${formatNumber(point.value)}`).join("")}.`,
    marks: [
      ...retrainRules(curves.filter(hasRetraining).flatMap(({ subject }) => subject.runs)),
      ...thinned.map(band),
      ...curves
        .filter(({ raw }) => raw.length > 0)
        .map(({ subject, raw }) => curve(subject, downsample(raw, RAW / share), true)),
      ...thinned.map(({ subject, points }) => curve(subject, points)),
      ...thinned.map(({ subject, points }) =>
        withDots ? dots(subject, points, tooltip) : dots(subject, some(points)),
      ),
      rings(best),
    ],
    ...size,
    // An axis with one value would have a single tick with all its digits.
    ...(isFlat && { yDomain: around(all) }),
  });
}

/** Whether a curve has points of the retrain phase. */
const hasRetraining = ({ points }: Curve): boolean => points.some(({ phase }) => phase === "retrain");

const tooltip = (point: Point): string => `${point.run}, step ${point.step}: ${formatNumber(point.value)}`;

function band({ subject, points, band: all }: Curve): Plot.Markish {
  const kept = new Set<Point>(points);
  return Plot.areaY(
    all.filter((point) => kept.has(point)),
    { x: "step", y1: "low", y2: "high", z: "phase", fill: runColor(subject.index), fillOpacity: 0.16 },
  );
}

function rings(best: NonNullable<CurvesDrawing["best"]>): Plot.Markish[] {
  return [
    Plot.dot(best, { x: "step", y: "value", r: 7, stroke: "var(--ink)", strokeWidth: 1.5 }),
    Plot.text(best, { x: "step", y: "value", dy: -13, text: () => "best", fill: "var(--ink)", fontWeight: "bold" }),
  ];
}

/** A few evenly spaced points of a curve. */
function some(points: readonly Point[]): Point[] {
  const stretch = Math.max(1, Math.floor(points.length / 6));
  return points.filter((_, place) => place % stretch === Math.floor(stretch / 2));
}

/** The curves in words, for readers who can't see them: `lora from 0.693 to 0.21 at step 300; …`. */
function describe(curves: readonly Curve[]): string {
  return curves
    .flatMap(({ subject, points }) => {
      const [first, last] = [points[0], points.at(-1)];
      if (!first || !last) return [];
      return `${subject.name} from ${formatNumber(first.value)} to ${formatNumber(last.value)} at step ${last.step}`;
    })
    .join("; ");
}

/** A title and its curves. */
export interface CurvePanel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** One panel for each entry. @param abreast panels in one row; by default as many as fit */
export const curvePanels = <T extends CurvePanel>(
  entries: readonly T[],
  draw: (one: T, size: Size) => Markup,
  abreast = 1,
): Markup =>
  panels(
    entries.map((one) => ({ title: one.title, draw: (size) => draw(one, size) })),
    abreast > 1 ? abreast : entries.length,
  );

/** The numbers behind panels, collapsed. */
export const panelNumbers = (entries: readonly CurvePanel[], task: string | undefined): Markup =>
  collapsed(
    "The figure’s numbers",
    entries.map(({ title, curves }) => curveNumbers(titled(title, task), curves)),
  );

/** The most steps in a table of a curve. */
const MOST = 20;

/** The values of curves at some of their steps. */
export function curvesTable(title: string, curves: readonly Curve[], summary = "The figure’s numbers"): Markup {
  return collapsed(summary, curveNumbers(title, curves));
}

function curveNumbers(title: string, curves: readonly Curve[]): Markup {
  const steps = [...new Set(curves.flatMap(({ points }) => points.map(({ step }) => step)))].sort((a, b) => a - b);
  const shown = evenlyChosen(steps, MOST);
  const all = curves.flatMap(({ points }) => points);
  const hasPhases = phasesIn(all).length > 1;
  // Some runs may have a single phase, and others search and retraining.
  const phasesAt = (step: number) => phasesIn(all.filter((point) => point.step === step)).join(", ");
  const known = curves.map(({ points }) => new Map(points.map((point) => [point.step, point])));
  const cell = (point: Partial<BandPoint> | undefined) => {
    if (point?.value === undefined) return NOTHING;
    const half = point.high === undefined ? "" : ` ± ${formatNumber(point.high - point.value)}`;
    return `${formatNumber(point.value)}${half}`;
  };
  const rows = shown.map((step) =>
    row(formatCount(step), [...(hasPhases ? [phasesAt(step)] : []), ...known.map((points) => cell(points.get(step)))]),
  );
  const which = shown.length < steps.length ? ` (${shown.length} of ${formatCount(steps.length)} steps)` : "";
  const names = curves.map(({ subject }) => subject.name);
  return table(`${title}${which}`, ["Step", ...(hasPhases ? ["Phase"] : []), ...names], rows);
}
