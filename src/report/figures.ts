import { formatNumber, words } from "../common/format.js";
import type { StepEvent } from "../train/events.js";
import { smooth, thin } from "./curves.js";
import type { Markup } from "./html.js";
import { figure, panels, type Size, WIDE } from "./layout.js";
import { curve, dots, draw, retrainRules } from "./plot.js";
import { type Point, pointsOf, type Run } from "./runs.js";

/** `lora from 0.693 to 0.21 in 300 steps; …`: what a curve shows, for those who can't see it. */
function describe(curves: readonly Curve[]): string {
  return curves
    .flatMap(({ run, points }) => {
      const [first, last] = [points[0], points.at(-1)];
      if (!first || !last) return [];
      return `${run.name} from ${formatNumber(first.value)} to ${formatNumber(last.value)} at step ${last.step}`;
    })
    .join("; ");
}

interface Curve {
  readonly run: Run;
  readonly points: readonly Point[];
}

const toCurves = (runs: readonly Run[], pointsOfRun: (run: Run) => Point[]): Curve[] =>
  runs.map((run) => ({ run, points: pointsOfRun(run) })).filter(({ points }) => points.length > 0);

const stepCurves = (runs: readonly Run[], read: (step: StepEvent) => number | undefined): Curve[] =>
  toCurves(runs, (run) => pointsOf(run, run.of("step"), read));

/** Noisy curves: smoothed, over the raw ones drawn faintly. */
function smoothed(runs: readonly Run[], curves: readonly Curve[], title: string, size: Size): Markup {
  const raw = curves.map(({ run, points }) => curve(run, thin(points), true));
  const trends = curves.map(({ run, points }) => ({ run, points: smooth(points) }));
  return draw({
    alt: `${title}, smoothed: ${describe(trends)}.`,
    marks: [...retrainRules(runs), ...raw, ...trends.map(({ run, points }) => curve(run, thin(points)))],
    ...size,
  });
}

export function lossFigure(runs: readonly Run[]): Markup | undefined {
  const curves = stepCurves(runs, (step) => step.loss);
  if (curves.length === 0) return undefined;
  const drawing = smoothed(runs, curves, "Training loss", WIDE);
  return figure(
    "Training loss",
    [drawing],
    "Loss of each step's training rows: its trend, with the steps' own values faint behind.",
  );
}

/** What only a search tells: the upper level's loss and the hypergradient. */
export function upperLevelFigure(runs: readonly Run[]): Markup | undefined {
  const told = [
    { title: "Upper-level loss", curves: stepCurves(runs, (step) => step.upperLoss) },
    { title: "Norm of the hypergradient", curves: stepCurves(runs, (step) => step.hypergradientNorm) },
  ].filter(({ curves }) => curves.length > 0);
  if (told.length === 0) return undefined;
  const list = told.map(({ title, curves }) => ({ title, draw: (size: Size) => smoothed([], curves, title, size) }));
  return figure(
    "Search: the upper level",
    [panels(list)],
    "Loss on the rows that the magnitudes are learned from, and the length of the hypergradient over all magnitudes; their trends over the steps' own values.",
  );
}

export function metricsFigure(runs: readonly Run[]): Markup | undefined {
  const list = metricNames(runs).map((name) => ({
    title: metricTitle(name),
    draw: (size: Size) => drawMetric(runs, name, size),
  }));
  if (list.length === 0) return undefined;
  return figure("Validation", [panels(list)], "Metrics on the validation rows at each evaluation.");
}

function drawMetric(runs: readonly Run[], name: string, size: Size): Markup {
  const curves = toCurves(runs, (run) => pointsOf(run, run.of("evaluation"), ({ metrics }) => metrics[name]));
  const tell = (point: Point) => `${point.run}, step ${point.step}: ${formatNumber(point.value)}`;
  const lines = curves.flatMap(({ run, points }) => [curve(run, points), dots(run, points, tell)]);
  const alt = `${metricTitle(name)}: ${describe(curves)}.`;
  return draw({ alt, marks: [...retrainRules(runs), ...lines], ...size });
}

export function learningRateFigure(runs: readonly Run[]): Markup | undefined {
  const curves = stepCurves(runs, (step) => step.learningRate);
  if (curves.length === 0) return undefined;
  const marks = [...retrainRules(runs), ...curves.map(({ run, points }) => curve(run, thin(points)))];
  const drawing = draw({ alt: `Learning rate: ${describe(curves)}.`, marks, width: 860, height: 200 });
  return figure(
    "Learning rate",
    [drawing],
    "Rate of each step, as the schedule gave it; of a search, the lower level's.",
  );
}

/** Names of the metrics that any run has a figure of, in the order they first came. */
export function metricNames(runs: readonly Run[]): string[] {
  const entries = runs.flatMap((run) => run.of("evaluation").flatMap(({ metrics }) => Object.entries(metrics)));
  return [...new Set(entries.filter(([, value]) => Number.isFinite(value)).map(([name]) => name))];
}

/** A loss among the metrics is the one on held-out rows, unlike the training loss. */
export const metricTitle = (name: string): string => (name === "loss" ? "Validation loss" : words(name));
