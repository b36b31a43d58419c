// Curves of runs and methods: means over seeds, smoothing and thinning; their drawings and tables.

import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber } from "../../../base/index.js";
import { mean, sampleDeviation } from "../../statistics/summary.js";
import { type Markup, NOTHING, panels, row, type Size, table, titled } from "../html.js";
import { type BestPoint, type Point, phasesIn, type Run } from "../runs.js";
import { runColor } from "./palette.js";
import { around, curve, dots, draw, retrainRules, withinRange } from "./plot.js";

export interface CurveSubject {
  /** Its number in the page, which chooses color, dashes and marks. */
  readonly index: number;
  readonly name: string;
  readonly runs: readonly Run[];
}

/** A mean value at a step, with the spread of the runs behind it. */
interface BandPoint extends Point {
  readonly low: number;
  readonly high: number;
}

/** The curve of a subject. */
export interface Curve {
  readonly subject: CurveSubject;
  readonly points: readonly Point[];
  /** The values behind a smoothed curve; empty if `points` are the values themselves. */
  readonly raw: readonly Point[];
  /** One sample deviation to either side of a mean over runs; empty for a single run. */
  readonly band: readonly BandPoint[];
}

export const subjectsOf = (runs: readonly Run[]): CurveSubject[] =>
  runs.map((run) => ({ index: run.index, name: run.name, runs: [run] }));

/**
 * One curve for each subject with any points: that of its run, or the mean over its runs at the steps that all runs have.
 * @param isNoisy smooths each run first, and keeps the raw values of a single run
 */
export function curvesOf(
  subjects: readonly CurveSubject[],
  read: (run: Run) => readonly Point[],
  isNoisy = false,
): Curve[] {
  return subjects.flatMap((subject): Curve[] => {
    const each = subject.runs.map(read).filter(({ length }) => length > 0);
    const trends = isNoisy ? each.map(smooth) : each;
    const [only] = trends;
    if (!only) return [];
    if (trends.length > 1) {
      const band = averaged(trends, subject.name);
      return band.length > 0 ? [{ subject, points: band, raw: [], band }] : [];
    }
    return [{ subject, points: only, raw: isNoisy ? each[0]! : [], band: [] }];
  });
}

/** The means at the steps that all runs have. */
function averaged(each: readonly (readonly Point[])[], run: string): BandPoint[] {
  const key = ({ phase, step }: Point) => `${phase} ${step}`;
  const others = each.map((points) => new Map(points.map((point) => [key(point), point.value])));
  return each[0]!.flatMap((point) => {
    const values = others.flatMap((known) => known.get(key(point)) ?? []);
    if (values.length < each.length) return [];
    const value = mean(values);
    const spread = sampleDeviation(values) ?? 0;
    return [{ run, phase: point.phase, step: point.step, value, low: value - spread, high: value + spread }];
  });
}

/** One number of each run of a subject, if the run has it. */
export const valuesOf = (subject: CurveSubject, read: (run: Run) => number | undefined): number[] =>
  subject.runs.map(read).filter((value): value is number => typeof value === "number" && Number.isFinite(value));

/** Points by phase, sorted by step. */
function byPhase(points: readonly Point[]): Point[][] {
  const phases = [...new Set(points.map(({ phase }) => phase))];
  return phases.map((phase) => points.filter((point) => point.phase === phase).sort((a, b) => a.step - b.step));
}

/**
 * Smooths each phase: every point becomes the value of a line fitted to a window of a fifteenth of the phase around it. Unlike a
 * running mean this neither lags nor bends at the ends. Curves of fewer than 20 points stay unchanged.
 */
export function smooth(points: readonly Point[]): Point[] {
  return byPhase(points).flatMap((phase) => {
    if (phase.length < 20) return phase;
    const half = Math.max(5, Math.ceil(phase.length / 30));
    const sums = prefixSums(phase.map(({ value }) => value));
    const moments = prefixSums(phase.map(({ value }, index) => index * value));
    return phase.map((point, index) => {
      const from = Math.max(0, index - half);
      const end = Math.min(phase.length, index + half + 1);
      return { ...point, value: fitted(index, from, end, sums[end]! - sums[from]!, moments[end]! - moments[from]!) };
    });
  });
}

/** The value at `index` of the least-squares line over the indices `from` to `end` (exclusive), from Σ y and Σ x·y. */
function fitted(index: number, from: number, end: number, sum: number, moment: number): number {
  const count = end - from;
  const center = (from + end - 1) / 2;
  const spread = (count * (count * count - 1)) / 12;
  return sum / count + ((moment - center * sum) / spread) * (index - center);
}

function prefixSums(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return sums;
}

/** At most about `limit` points for each phase: the lowest and highest of each stretch, so that spikes stay visible. */
export function downsample(points: readonly Point[], limit = 600): Point[] {
  return byPhase(points).flatMap((phase) => {
    if (phase.length <= limit) return phase;
    const stretch = Math.ceil((2 * phase.length) / limit);
    const kept = new Set([phase[0]!, phase.at(-1)!]);
    for (let from = 0; from < phase.length; from += stretch) {
      const part = phase.slice(from, from + stretch);
      kept.add(part.reduce((low, point) => (point.value < low.value ? point : low)));
      kept.add(part.reduce((high, point) => (point.value > high.value ? point : high)));
    }
    return phase.filter((point) => kept.has(point));
  });
}

/** At most so many evenly spaced entries of a list, including both ends. */
export function evenlyChosen<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  const places = Array.from({ length: most }, (_, i) => Math.round((i * (list.length - 1)) / (most - 1)));
  return places.map((place) => list[place]!);
}

interface CurvesDrawing {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** A dot at each point; else a few marks along the curve, to identify it without color. */
  readonly withDots?: boolean;
  readonly best?: readonly (BestPoint & { readonly index: number })[];
}

/** The most points of a smoothed curve and of the raw values, in a drawing with several curves. */
const TREND = 240;
const RAW = 500;

/** Curves over steps: smoothed values, raw values, bands of spread, and best points. */
export function drawCurves({ title, curves, withDots = false, best = [] }: CurvesDrawing, size: Size): Markup {
  const share = Math.max(1, curves.length / 4);
  const values = curves.flatMap(({ points, raw }) => [...points, ...raw].map(({ value }) => value));
  const clamp = withinRange(title, values);
  const all = [...values, ...curves.flatMap(({ band }) => band.flatMap(({ low, high }) => [clamp(low), clamp(high)]))];
  const isFlat = all.every((value) => value === all[0]);
  const thinned = curves.map((one) => ({ ...one, points: downsample(one.points, TREND) }));
  return draw({
    title,
    description: `${describe(curves)}${best.map((point) => `; best at step ${point.step}: ${formatNumber(point.value)}`).join("")}.`,
    marks: [
      ...retrainRules(curves.filter(hasRetraining).flatMap(({ subject }) => subject.runs)),
      ...thinned.map((one) => band(one, clamp)),
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
    ...(isFlat && { yDomain: around(all, clamp) }),
  });
}

const hasRetraining = ({ points }: Curve): boolean => points.some(({ phase }) => phase === "retrain");

const tooltip = (point: Point): string => `${point.run}, step ${point.step}: ${formatNumber(point.value)}`;

function band({ subject, points, band: all }: Curve, clamp: (end: number) => number): Plot.Markish {
  const kept = new Set<Point>(points);
  return Plot.areaY(
    all.filter((point) => kept.has(point)),
    {
      x: "step",
      y1: ({ low }) => clamp(low),
      y2: ({ high }) => clamp(high),
      z: "phase",
      fill: runColor(subject.index),
      fillOpacity: 0.16,
    },
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

export const panelNumbers = (entries: readonly CurvePanel[], task: string | undefined): Markup[] =>
  entries.map(({ title, curves }) => curvesTable(titled(title, task), curves));

/** The most steps in a table of a curve. */
const MOST = 20;

/** The values of curves at some of their steps. */
export function curvesTable(title: string, curves: readonly Curve[]): Markup {
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
