import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber } from "../../common/format.js";
import { folded, type Markup, panels, type Size, titled } from "../html.js";
import { type BestPoint, type Point, phasesIn } from "../runs.js";
import { NOTHING, row, table } from "../table.js";
import { type BandPoint, type Curve, thin } from "./curves.js";
import { runColour } from "./palette.js";
import { around, curve, dots, draw, retrainRules } from "./plot.js";

export interface CurvesDrawing {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** A dot at each point; else some marks along the curve, by which it is known without its colour. */
  readonly withDots?: boolean;
  /** Points to be ringed. */
  readonly best?: readonly (BestPoint & { readonly index: number })[];
}

/** Points of a trend, and of the values behind it, in one drawing of several curves. */
const TREND = 240;
const RAW = 500;

/** Curves over steps: their trends, what is behind them, bands of spread, and best points. */
export function drawCurves({ title, curves, withDots = false, best = [] }: CurvesDrawing, size: Size): Markup {
  const share = Math.max(1, curves.length / 4);
  const all = curves.flatMap(({ points, raw, band }) => [
    ...[...points, ...raw].map(({ value }) => value),
    ...band.flatMap(({ low, high }) => [low, high]),
  ]);
  const isFlat = all.every((value) => value === all[0]);
  const thinned = curves.map((one) => ({ ...one, points: thin(one.points, TREND) }));
  return draw({
    title,
    description: `${describe(curves)}${best.map((point) => `; best at step ${point.step}: ${formatNumber(point.value)}`).join("")}.`,
    marks: [
      ...retrainRules(curves.filter(goesOn).flatMap(({ subject }) => subject.runs)),
      ...thinned.map(band),
      ...curves
        .filter(({ raw }) => raw.length > 0)
        .map(({ subject, raw }) => curve(subject, thin(raw, RAW / share), true)),
      ...thinned.map(({ subject, points }) => curve(subject, points)),
      ...thinned.map(({ subject, points }) => (withDots ? dots(subject, points, tell) : dots(subject, some(points)))),
      rings(best),
    ],
    ...size,
    // An axis of one value would have a single tick, with all its digits.
    ...(isFlat && { yDomain: around(all) }),
  });
}

/** Whether a curve turns from search to retraining. */
const goesOn = ({ points }: Curve): boolean => points.some(({ phase }) => phase === "retrain");

const tell = (point: Point): string => `${point.run}, step ${point.step}: ${formatNumber(point.value)}`;

function band({ subject, points, band: all }: Curve): Plot.Markish {
  const kept = new Set<Point>(points);
  return Plot.areaY(
    all.filter((point) => kept.has(point)),
    { x: "step", y1: "low", y2: "high", z: "phase", fill: runColour(subject.index), fillOpacity: 0.16 },
  );
}

function rings(best: NonNullable<CurvesDrawing["best"]>): Plot.Markish[] {
  return [
    Plot.dot(best, { x: "step", y: "value", r: 7, stroke: "var(--ink)", strokeWidth: 1.5 }),
    Plot.text(best, { x: "step", y: "value", dy: -13, text: () => "best", fill: "var(--ink)", fontWeight: "bold" }),
  ];
}

/** A few points of a curve, evenly. */
function some(points: readonly Point[]): Point[] {
  const stretch = Math.max(1, Math.floor(points.length / 6));
  return points.filter((_, place) => place % stretch === Math.floor(stretch / 2));
}

/** `lora from 0.693 to 0.21 at step 300; …`: what curves show, for those who can't see them. */
function describe(curves: readonly Curve[]): string {
  return curves
    .flatMap(({ subject, points }) => {
      const [first, last] = [points[0], points.at(-1)];
      if (!first || !last) return [];
      return `${subject.name} from ${formatNumber(first.value)} to ${formatNumber(last.value)} at step ${last.step}`;
    })
    .join("; ");
}

/** A title, and the curves under it. */
export interface Told {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** A panel for each. @param abreast how many belong in one row; by default as fits */
export const curvePanels = <T extends Told>(
  told: readonly T[],
  draw: (one: T, size: Size) => Markup,
  abreast = 1,
): Markup =>
  panels(
    told.map((one) => ({ title: one.title, draw: (size) => draw(one, size) })),
    abreast > 1 ? abreast : told.length,
  );

/** The numbers behind panels, folded up. */
export const panelNumbers = (told: readonly Told[], task: string | undefined): Markup =>
  folded(
    "The figure’s numbers",
    told.map(({ title, curves }) => curveNumbers(titled(title, task), curves)),
  );

/** Steps that a table of a curve shows at most. */
const MOST = 20;

/** The numbers of curves at some of their steps. */
export function curvesTable(title: string, curves: readonly Curve[], summary = "The figure’s numbers"): Markup {
  return folded(summary, curveNumbers(title, curves));
}

export function curveNumbers(title: string, curves: readonly Curve[]): Markup {
  const steps = [...new Set(curves.flatMap(({ points }) => points.map(({ step }) => step)))].sort((a, b) => a - b);
  const shown = spread(steps);
  const all = curves.flatMap(({ points }) => points);
  const hasPhases = phasesIn(all).length > 1;
  // Beside a search others are in their one phase.
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

/** Some of a list, evenly, its ends among them. */
function spread(steps: readonly number[]): number[] {
  if (steps.length <= MOST) return [...steps];
  const places = Array.from({ length: MOST }, (_, i) => Math.round((i * (steps.length - 1)) / (MOST - 1)));
  return places.map((place) => steps[place]!);
}
