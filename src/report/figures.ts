import { words } from "../common/format.js";
import type { StepEvent } from "../train/events.js";
import { bestPoints, courseOf, metricCourse } from "./course.js";
import { drawCurves } from "./drawCurves.js";
import { curveNumbers, curvesTable } from "./figureTable.js";
import type { Markup } from "./html.js";
import { type FigureParts, figure, fitting, panels, type Size, titled } from "./layout.js";
import { pointsOf, type Run } from "./runs.js";
import { type Curve, curvesOf, type Subject } from "./subjects.js";
import { folded } from "./table.js";

const stepCurves = (
  subjects: readonly Subject[],
  read: (step: StepEvent) => number | undefined,
  isNoisy = true,
): Curve[] => curvesOf(subjects, (run) => pointsOf(run, run.of("step"), read), isNoisy);

/** Said under curves that are means. */
export const BAND =
  " A curve is the mean over a method’s seeds as far as all of them go, its band one sample deviation to either side.";

const isAveraged = (curves: readonly Curve[]): boolean => curves.some(({ band }) => band.length > 0);
const bandNote = (curves: readonly Curve[]): string => (isAveraged(curves) ? BAND : "");

export function lossFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const curves = stepCurves(subjects, (step) => step.loss);
  if (curves.length === 0) return undefined;
  const [title, trend] = [
    "Training loss",
    isAveraged(curves) ? "" : ": its trend, with the steps’ own values faint behind",
  ];
  return figure({
    id: "training-loss",
    title,
    task,
    drawings: [fitting((size) => drawCurves({ title, curves }, size))],
    caption: `Loss of each step’s training rows${trend}.${bandNote(curves)}`,
    data: curvesTable(titled(`${title}, smoothed`, task), curves),
  });
}

/** A title, and the curves under it. */
interface Told {
  readonly title: string;
  readonly curves: readonly Curve[];
}

/** Panels of what there are curves of. */
function panelFigure(
  told: readonly Told[],
  about: Pick<FigureParts, "id" | "title" | "task" | "caption">,
  draw: (one: Told, size: Size) => Markup = (one, size) => drawCurves(one, size),
): Markup | undefined {
  const list = told.filter(({ curves }) => curves.length > 0);
  if (list.length === 0) return undefined;
  const all = list.flatMap(({ curves }) => curves);
  return figure({
    ...about,
    caption: `${about.caption}${bandNote(all)}`,
    drawings: [panels(list.map((one) => ({ title: one.title, draw: (size) => draw(one, size) })))],
    data: folded(
      "The figure’s numbers",
      list.map(({ title, curves }) => curveNumbers(titled(title, about.task), curves)),
    ),
  });
}

/** What only a search tells: the upper level's loss and the hypergradient. */
export function upperLevelFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const told = [
    { title: "Upper-level loss", curves: stepCurves(subjects, (step) => step.upperLoss) },
    {
      title: "Lower-level loss",
      curves: stepCurves(subjects, ({ phase, loss }) => (phase === "search" ? loss : undefined)),
    },
    { title: "Norm of the hypergradient", curves: stepCurves(subjects, (step) => step.hypergradientNorm) },
    { title: "Second-order share", curves: stepCurves(subjects, (step) => step.secondOrderShare) },
  ];
  return panelFigure(told, {
    id: "search",
    title: "Search: the two levels",
    task,
    caption:
      "Loss on the rows that the magnitudes are learned from and on those of the directions, the length of the hypergradient over all magnitudes, and the length of its second-order term over that of the whole.",
  });
}

export function metricsFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const runs = subjects.flatMap((subject) => subject.runs);
  const told = metricNames(runs).map((name) => ({
    name,
    title: metricTitle(name),
    curves: curvesOf(subjects, (run) => metricCourse(run, name)),
  }));
  const single = subjects.filter((subject) => subject.runs.length === 1);
  const best = single.flatMap(({ index, runs: [run] }) => bestPoints(run!).map((point) => ({ ...point, index })));
  const stopped = best.length > 0 ? " A ring marks the state that early stopping goes back to." : "";
  return panelFigure(
    told,
    {
      id: "validation",
      title: "Validation",
      task,
      caption: `Metrics at each evaluation on the validation rows, or on the rows that a run held out to watch.${stopped}`,
    },
    ({ title, curves }, size) =>
      drawCurves(
        { title, curves, withDots: true, best: best.filter(({ metric }) => metricTitle(metric) === title) },
        size,
      ),
  );
}

export function learningRateFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const curves = stepCurves(subjects, (step) => step.learningRate, false).map((one) => ({ ...one, band: [] }));
  if (curves.length === 0) return undefined;
  const title = "Learning rate";
  return figure({
    id: "learning-rate",
    title,
    task,
    drawings: [fitting(({ width }) => drawCurves({ title, curves }, { width, height: 200 }))],
    caption: "Rate of each step, as the schedule gave it; of a search, the lower level’s.",
    data: curvesTable(titled(title, task), curves),
  });
}

/** Names of the metrics that any run's course has a figure of, in the order they first came. */
export function metricNames(runs: readonly Run[]): string[] {
  const entries = runs.flatMap((run) => courseOf(run).flatMap(({ metrics }) => Object.entries(metrics)));
  const names = entries.filter(([, value]) => Number.isFinite(value)).map(([name]) => name);
  return [...new Set(names)].filter((name) => !/^(test|holdout)_/.test(name));
}

/** A loss among the metrics is the one on held-out rows, unlike the training loss. */
export const metricTitle = (name: string): string => (name === "loss" ? "Validation loss" : words(name));
