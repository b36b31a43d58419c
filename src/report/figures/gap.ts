import { own } from "../../common/collections.js";
import { formatNumber } from "../../common/format.js";
import { mean } from "../../compare/statistics.js";
import type { StepEvent } from "../../files/events.js";
import { metricName } from "../../files/metrics.js";
import { figure, html, type Markup, titled } from "../html.js";
import {
  bestPoints,
  finalMetrics,
  ifWatched,
  metricCourse,
  type Point,
  type Run,
  WATCHED,
  type WatchedRows,
} from "../runs.js";
import { foldedIfLong, meanAndSpread, row, table } from "../table.js";
import { curvesOf, type Subject, valuesOf } from "./curves.js";
import { curvePanels, drawCurves, panelNumbers } from "./drawCurves.js";
import { runMark } from "./palette.js";

/** Loss on training rows and on rows that were not learned from, and how much larger that is. */
export interface Gap {
  /** Mean over the last tenth of the last phase's steps; with early stopping the tenth that ends at the state which is kept. */
  readonly train: number;
  readonly heldOut: number;
  /** Positive where the model does worse on rows that it has not learned from. */
  readonly gap: number;
}

/** On validation rows, else on test rows. Undefined for a run without steps, or without a loss on such rows. */
export function gapOf(run: Run): Gap | undefined {
  const metrics = finalMetrics(run);
  return gapTo(run, own(metrics, "loss") ?? own(metrics, metricName("loss", "test")));
}

/** On the training rows that a run held out, which early stopping has chosen by. */
export const heldOutGapOf = (run: Run): Gap | undefined =>
  gapTo(run, own(finalMetrics(run), metricName("loss", "holdout")));

function gapTo(run: Run, heldOut: number | undefined): Gap | undefined {
  const phase = run.of("step").at(-1)?.phase;
  if (phase === undefined || typeof heldOut !== "number" || !Number.isFinite(heldOut)) return undefined;
  const best = bestPoints(run).find((point) => point.phase === phase);
  const train = trainLoss(run, phase, best?.step);
  return train === undefined ? undefined : { train, heldOut, gap: heldOut - train };
}

/** The mean loss of a tenth of a phase's steps, up to a step. */
function trainLoss(run: Run, phase: StepEvent["phase"], until = Number.POSITIVE_INFINITY): number | undefined {
  const steps = run.of("step").filter((step) => step.phase === phase && Number.isFinite(step.loss));
  const tenth = Math.max(1, Math.ceil(steps.length / 10));
  const last = steps.filter(({ step }) => step <= until).slice(-tenth);
  return last.length === 0 ? undefined : mean(last.map(({ loss }) => loss));
}

/** The gap at each evaluation. */
export function gapCourse(run: Run): Point[] {
  return metricCourse(run, "loss").flatMap((point) => {
    const train = trainLoss(run, point.phase, point.step);
    return train === undefined ? [] : [{ ...point, value: point.value - train }];
  });
}

/** A kind of rows that a gap is to. */
interface Kind {
  readonly rows: string;
  /** At the end of a run. */
  readonly of: (run: Run) => Gap | undefined;
  readonly course: (run: Run) => readonly Point[];
}

const isJudgedByTest = (run: Run): boolean => own(finalMetrics(run), "loss") === undefined;

const KINDS: readonly Kind[] = [
  {
    rows: WATCHED[0],
    of: (run) => (isJudgedByTest(run) ? undefined : gapOf(run)),
    course: (run) => gapCourseOn(run, WATCHED[0]),
  },
  { rows: "test rows", of: (run) => (isJudgedByTest(run) ? gapOf(run) : undefined), course: () => [] },
  { rows: WATCHED[1], of: heldOutGapOf, course: (run) => gapCourseOn(run, WATCHED[1]) },
];

export const gapCourseOn = (run: Run, rows: WatchedRows): Point[] => ifWatched(run, rows, () => gapCourse(run));

/** A row a subject and kind of rows; and how the gap went, where runs were evaluated on the way. */
export function gapFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const rows = subjects.flatMap((subject) => KINDS.flatMap((kind) => gapRow(subject, kind) ?? []));
  if (rows.length === 0) return undefined;
  const courses = KINDS.map(({ rows, course }) => ({
    rows,
    curves: curvesOf(subjects, course).filter(({ points }) => points.length > 1),
  })).filter(({ curves }) => curves.length > 0);
  const told = courses.map(({ rows, curves }) => ({ title: `Gap to the loss on ${rows}`, curves }));
  const caption = titled("Losses at the end, and the gap between them", task);
  return figure({
    id: "gap",
    title: "Generalisation gap",
    task,
    drawings: [
      foldedIfLong(caption, rows.length, table(caption, ["", ...HEAD], rows)),
      ...(told.length > 0 ? [curvePanels(told, (one, size) => drawCurves({ ...one, withDots: true }, size))] : []),
    ],
    caption:
      "Loss on rows that were not learned from less the mean training loss of the last tenth of the steps: above 0 the model does worse on new rows. Training loss is taken while the weights move and under dropout, so that a gap can be below 0.",
    data: told.length > 0 ? panelNumbers(told, task) : undefined,
  });
}

const HEAD = ["New rows", "Training loss", "Loss on new rows", "Gap"];

function gapRow(subject: Subject, { rows, of }: Kind): Markup | undefined {
  const values = (key: keyof Gap) => valuesOf(subject, (run) => of(run)?.[key]);
  if (values("gap").length === 0) return undefined;
  const cells = (["train", "heldOut", "gap"] as const).map((key) => meanAndSpread(values(key), formatNumber));
  return row(html`${runMark(subject)} ${subject.name}`, [rows, ...cells]);
}
