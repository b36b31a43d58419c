import * as Plot from "@observablehq/plot";
import { formatNumber } from "../common/format.js";
import type { BestPoint } from "./course.js";
import { thin } from "./curves.js";
import { around } from "./domain.js";
import type { Markup } from "./html.js";
import type { Size } from "./layout.js";
import { runColour } from "./palette.js";
import { curve, dots, draw, retrainRules } from "./plot.js";
import type { Point } from "./runs.js";
import type { Curve } from "./subjects.js";

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
