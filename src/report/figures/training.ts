import { words } from "../../common/format.js";
import type { StepEvent } from "../../files/events.js";
import { type FigureParts, figure, fitting, type Markup, type Size, titled } from "../html.js";
import { bestPoints, metricCourseOn, metricNames, pointsOf, rowsWatched, WATCHED, type WatchedRows } from "../runs.js";
import { type Curve, curvesOf, type Subject } from "./curves.js";
import { curvePanels, curvesTable, drawCurves, panelNumbers, type Told } from "./drawCurves.js";

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

/** A figure of panels, of what there are curves of. @param abreast how many panels belong in one row */
function panelFigure<T extends Told>(
  told: readonly T[],
  about: Pick<FigureParts, "id" | "title" | "task" | "caption">,
  draw: (one: T, size: Size) => Markup = (one, size) => drawCurves(one, size),
  abreast = 1,
): Markup | undefined {
  const list = told.filter(({ curves }) => curves.length > 0);
  if (list.length === 0) return undefined;
  const all = list.flatMap(({ curves }) => curves);
  return figure({
    ...about,
    caption: `${about.caption}${bandNote(all)}`,
    drawings: [curvePanels(list, draw, abreast)],
    data: panelNumbers(list, about.task),
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

/** One metric on one kind of rows. */
interface Watched extends Told {
  readonly name: string;
  readonly rows: WatchedRows;
}

/** A panel for each metric on each kind of rows: values on rows that a run held out say nothing beside those on validation rows. */
export function metricsFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const runs = subjects.flatMap((subject) => subject.runs);
  const kinds = WATCHED.filter((rows) => runs.some((run) => rowsWatched(run) === rows));
  const told = metricNames(runs).flatMap((name) =>
    kinds.map(
      (rows): Watched => ({
        name,
        rows,
        title: kinds.length > 1 || rows !== WATCHED[0] ? metricOnRows(name, rows) : metricTitle(name),
        curves: curvesOf(subjects, (run) => metricCourseOn(run, name, rows)),
      }),
    ),
  );
  const single = subjects.filter((subject) => subject.runs.length === 1);
  const best = single.flatMap(({ index, runs: [run] }) =>
    bestPoints(run!).map((point) => ({ ...point, index, rows: rowsWatched(run!) })),
  );
  const stopped = best.length > 0 ? " A ring marks the state that early stopping goes back to." : "";
  return panelFigure(
    told,
    {
      id: "validation",
      title: kinds.includes(WATCHED[1]) ? "Evaluations during training" : "Validation",
      task,
      caption: `Metrics at each evaluation on the ${kinds.join(", or on the ")}${kinds.length > 1 ? " that a run set aside. The two sets of rows differ, so their values are not comparable" : ""}.${stopped}`,
    },
    ({ title, curves, name, rows }, size) =>
      drawCurves(
        { title, curves, withDots: true, best: best.filter((one) => one.metric === name && one.rows === rows) },
        size,
      ),
    kinds.length,
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

/** A loss among the metrics is the one on held-out rows, unlike the training loss. */
export const metricTitle = (name: string): string => (name === "loss" ? "Validation loss" : words(name));

/** A metric with the rows that it is of. */
const metricOnRows = (name: string, rows: WatchedRows): string => `${words(name)} on ${rows}`;
