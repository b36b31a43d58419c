// The figure of the generalization gap.
import { bisector } from "d3-array";
import { formatNumber, own } from "../../../base/index.js";
import { metricName, type StepEvent } from "../../../base/records/index.js";
import { mean } from "../../statistics/summary.js";
import { collapsedIfLong, figure, type Markup, meanAndSpread, row, table, titled } from "../html.js";
import {
  bestPoints,
  finalMetrics,
  metricCurve,
  type Point,
  phasesIn,
  type Run,
  WATCHED,
  type WatchedRows,
} from "../runs.js";
import { type CurveSubject, curvePanels, curvesOf, drawCurves, panelNumbers, valuesOf } from "./curves.js";
import { marked } from "./palette.js";

/** The loss on training rows and on other rows, and the difference. */
interface Gap {
  /** Mean over the last tenth of the last phase's steps. With early stopping, the tenth that ends at the state that is kept. */
  readonly train: number;
  readonly heldOut: number;
  /** Positive if the model is worse on rows that it was not trained on. */
  readonly gap: number;
}

/** The gap to validation rows, or else to test rows. Undefined for a run without steps or without such a loss. */
export function gapOf(run: Run): Gap | undefined {
  const metrics = finalMetrics(run);
  return gapTo(run, own(metrics, "loss") ?? own(metrics, metricName("loss", "test")));
}

/** The gap to held-out training rows, which early stopping watches. */
export const heldOutGapOf = (run: Run): Gap | undefined =>
  gapTo(run, own(finalMetrics(run), metricName("loss", "holdout")));

function gapTo(run: Run, heldOut: number | undefined): Gap | undefined {
  const phase = run.of("step").at(-1)?.phase;
  if (phase === undefined || typeof heldOut !== "number" || !Number.isFinite(heldOut)) return undefined;
  const best = bestPoints(run).find((point) => point.phase === phase);
  const train = trainLosses(run, phase)(best?.step);
  return train === undefined ? undefined : { train, heldOut, gap: heldOut - train };
}

/** The mean training loss of the last tenth of a phase's steps, as a function of the step that it ends at. */
function trainLosses(run: Run, phase: StepEvent["phase"]): (until?: number) => number | undefined {
  const steps = run.of("step").filter((step) => step.phase === phase && Number.isFinite(step.loss));
  const tenth = Math.max(1, Math.ceil(steps.length / 10));
  const at = bisector(({ step }: StepEvent) => step);
  return (until = Number.POSITIVE_INFINITY) => {
    const end = at.right(steps, until);
    return end === 0 ? undefined : mean(steps.slice(Math.max(0, end - tenth), end).map(({ loss }) => loss));
  };
}

export function gapCurve(run: Run): Point[] {
  const points = metricCurve(run, "loss");
  const trained = new Map(phasesIn(points).map((phase) => [phase, trainLosses(run, phase)]));
  return points.flatMap((point) => {
    const train = trained.get(point.phase)?.(point.step);
    return train === undefined ? [] : [{ ...point, value: point.value - train }];
  });
}

/** The rows that a gap is measured to. */
interface Kind {
  readonly rows: string;
  readonly of: (run: Run) => Gap | undefined;
  readonly curve: (run: Run) => readonly Point[];
}

const isScoredOnTest = (run: Run): boolean => own(finalMetrics(run), "loss") === undefined;

const KINDS: readonly Kind[] = [
  {
    rows: WATCHED[0],
    of: (run) => (isScoredOnTest(run) ? undefined : gapOf(run)),
    curve: (run) => gapCurveOn(run, WATCHED[0]),
  },
  { rows: "test rows", of: (run) => (isScoredOnTest(run) ? gapOf(run) : undefined), curve: () => [] },
  { rows: WATCHED[1], of: heldOutGapOf, curve: (run) => gapCurveOn(run, WATCHED[1]) },
];

export const gapCurveOn = (run: Run, rows: WatchedRows): Point[] => (run.watched === rows ? gapCurve(run) : []);

/** The gaps at the end, and during training if runs were evaluated. */
export function gapFigure(subjects: readonly CurveSubject[], task?: string): Markup | undefined {
  const rows = subjects.flatMap((subject) => KINDS.flatMap((kind) => gapRow(subject, kind) ?? []));
  if (rows.length === 0) return undefined;
  const kinds = KINDS.map(({ rows, curve }) => ({
    rows,
    curves: curvesOf(subjects, curve).filter(({ points }) => points.length > 1),
  })).filter(({ curves }) => curves.length > 0);
  const entries = kinds.map(({ rows, curves }) => ({ title: `Gap to the loss on ${rows}`, curves }));
  const caption = titled("Losses at the end, and the gap between them", task);
  return figure({
    id: "gap",
    title: "Generalization gap",
    task,
    drawings: [
      collapsedIfLong(caption, rows.length, table(caption, ["", ...HEAD], rows)),
      ...(entries.length > 0
        ? [curvePanels(entries, (one, size) => drawCurves({ ...one, withDots: true }, size))]
        : []),
    ],
    caption:
      "The loss on rows that the model was not trained on, minus the mean training loss of the last tenth of the steps. Above 0 the model is worse on new rows. The training loss is measured with dropout and while the weights change, so the gap can be below 0.",
    numbers: entries.length > 0 ? panelNumbers(entries, task) : undefined,
  });
}

const HEAD = ["New rows", "Training loss", "Loss on new rows", "Gap"];

function gapRow(subject: CurveSubject, { rows, of }: Kind): Markup | undefined {
  const values = (key: keyof Gap) => valuesOf(subject, (run) => of(run)?.[key]);
  if (values("gap").length === 0) return undefined;
  const cells = (["train", "heldOut", "gap"] as const).map((key) => meanAndSpread(values(key), formatNumber));
  return row(marked(subject), [rows, ...cells]);
}
