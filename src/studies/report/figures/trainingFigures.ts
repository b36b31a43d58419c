// The figures of a training: losses, metrics, both levels of a search, and the learning rate.
import { formatNumber, words } from "../../../base/index.js";
import { ofClass, type StepEvent } from "../../../base/records/index.js";
import {
  type FigureParts,
  figure,
  fitting,
  formatted,
  type Markup,
  row,
  type Size,
  section,
  table,
  titled,
} from "../html.js";
import {
  bestPoints,
  metricCurveOn,
  metricNames,
  pointsOf,
  type Run,
  setting,
  WATCHED,
  type WatchedRows,
} from "../runs.js";
import {
  type Curve,
  type CurvePanel,
  type CurveSubject,
  curvePanels,
  curvesOf,
  curvesTable,
  drawCurves,
  panelNumbers,
} from "./curves.js";
import { gapFigure } from "./gap.js";
import { magnitudesFigure } from "./magnitudes.js";
import { upperValuesFigure } from "./upperValues.js";

/** The figures of runs' logs. */
export const trainingFigures = (subjects: readonly CurveSubject[], task?: string): (Markup | undefined)[] =>
  [lossFigure, metricsFigure, gapFigure, upperLevelFigure, upperValuesFigure, magnitudesFigure, learningRateFigure].map(
    (figure) => figure(subjects, task),
  );

const stepCurves = (
  subjects: readonly CurveSubject[],
  read: (step: StepEvent) => number | undefined,
  isNoisy = true,
): Curve[] => curvesOf(subjects, (run) => pointsOf(run, run.of("step"), read), isNoisy);

/** A note under curves that are means. */
const BAND =
  " A curve is the mean over a method’s seeds, up to the last step that all of them have; its band is one sample deviation to either side.";

const isAveraged = (curves: readonly Curve[]): boolean => curves.some(({ band }) => band.length > 0);
const bandNote = (curves: readonly Curve[]): string => (isAveraged(curves) ? BAND : "");

function lossFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const curves = stepCurves(subjects, (step) => step.loss);
  if (curves.length === 0) return undefined;
  const title = "Training loss";
  const trend = isAveraged(curves) ? "" : ": smoothed, with the raw values in the background";
  return figure({
    id: "training-loss",
    title,
    task,
    drawings: [fitting((size) => drawCurves({ title, curves }, size))],
    caption: `Loss of each step’s training rows${trend}.${bandNote(curves)}`,
    numbers: curvesTable(titled(`${title}, smoothed`, task), curves),
  });
}

/** A figure with one panel for each entry that has curves. @param abreast panels in one row */
function panelFigure<T extends CurvePanel>(
  entries: readonly T[],
  about: Pick<FigureParts, "id" | "title" | "task" | "caption">,
  draw: (one: T, size: Size) => Markup = (one, size) => drawCurves(one, size),
  abreast = 1,
): Markup | undefined {
  const list = entries.filter(({ curves }) => curves.length > 0);
  if (list.length === 0) return undefined;
  const all = list.flatMap(({ curves }) => curves);
  return figure({
    ...about,
    caption: `${about.caption}${bandNote(all)}`,
    drawings: [curvePanels(list, draw, abreast)],
    numbers: panelNumbers(list, about.task),
  });
}

/** The values of a search: the losses of both levels and the hypergradient. */
function upperLevelFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const entries = [
    { title: "Upper-level loss", curves: stepCurves(subjects, (step) => step.upperLoss) },
    {
      title: "Lower-level loss",
      curves: stepCurves(subjects, ({ phase, loss }) => (phase === "search" ? loss : undefined)),
    },
    { title: "Norm of the hypergradient", curves: stepCurves(subjects, (step) => step.hypergradientNorm) },
    { title: "Second-order share", curves: stepCurves(subjects, (step) => step.secondOrderShare) },
  ];
  return panelFigure(entries, {
    id: "search",
    title: "Search: the two levels",
    task,
    caption:
      "The loss on the upper level’s rows, and on the lower level’s rows; the norm of the hypergradient, the gradient for all that the upper level trains (BiDoRA: the magnitudes); and the norm of its second-order term relative to the whole.",
  });
}

interface Watched extends CurvePanel {
  readonly name: string;
  readonly rows: WatchedRows;
}

/** One panel for each metric and kind of rows, because values on held-out and on validation rows are not comparable. */
function metricsFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const runs = subjects.flatMap((subject) => subject.runs);
  const kinds = WATCHED.filter((rows) => runs.some(({ watched }) => watched === rows));
  const label = positiveLabelOf(runs);
  const entries = metricNames(runs).flatMap((name) =>
    kinds.map(
      (rows): Watched => ({
        name,
        rows,
        title: kinds.length > 1 || rows !== WATCHED[0] ? metricOnRows(name, rows, label) : metricTitle(name, label),
        curves: curvesOf(subjects, (run) => metricCurveOn(run, name, rows)),
      }),
    ),
  );
  const single = subjects.filter((subject) => subject.runs.length === 1);
  const best = single.flatMap(({ index, runs: [run] }) =>
    bestPoints(run!).map((point) => ({ ...point, index, rows: run!.watched })),
  );
  const stopped = best.length > 0 ? " A ring marks the state that early stopping restores." : "";
  const panels = entries.filter(isDrawn);
  if (panels.length === 0) return runs.some(({ done }) => !done) ? singleValues(entries, subjects, task) : undefined;
  return panelFigure(
    panels,
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

function learningRateFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const curves = stepCurves(subjects, (step) => step.learningRate, false).map((one) => ({ ...one, band: [] }));
  if (curves.length === 0) return undefined;
  const title = "Learning rate";
  return figure({
    id: "learning-rate",
    title,
    task,
    drawings: [fitting(({ width }) => drawCurves({ title, curves }, { width, height: 200 }))],
    caption: "The learning rate of each step, by the schedule. In a search it is that of the lower level.",
    numbers: curvesTable(titled(title, task), curves),
  });
}

/** A single value is a number, not a curve. */
const isDrawn = ({ curves }: CurvePanel): boolean => curves.some(({ points }) => points.length > 1);

/** The only values of runs that go on: the results have those of finished ones. */
function singleValues(entries: readonly Watched[], subjects: readonly CurveSubject[], task?: string) {
  const known = entries.filter(({ curves }) => curves.length > 0);
  if (known.length === 0) return undefined;
  const cell = (curves: readonly Curve[], subject: CurveSubject) =>
    formatted(curves.find((curve) => curve.subject === subject)?.points[0]?.value, formatNumber);
  const rows = known.map(({ title, curves }) =>
    row(
      title,
      subjects.map((subject) => cell(curves, subject)),
    ),
  );
  const head = ["Metric", ...subjects.map(({ name }) => name)];
  return section("validation", titled("Validation", task), [table("The only evaluation so far", head, rows)]);
}

/** The positive label of runs that have the same. */
export function positiveLabelOf(runs: readonly Run[]): unknown {
  const [label, ...others] = new Set(runs.map((run) => setting(run, "positiveLabel")));
  return others.length === 0 ? label : undefined;
}

/** The title of a metric. A loss among the metrics is not the training loss. */
export const metricTitle = (name: string, positiveLabel?: unknown): string =>
  name === "loss" ? "Validation loss" : `${words(name)}${ofClass(name, positiveLabel)}`;

const metricOnRows = (name: string, rows: WatchedRows, positiveLabel: unknown): string =>
  `${words(name)}${ofClass(name, positiveLabel)} on ${rows}`;
