import { formatNumber } from "../common/format.js";
import { own } from "../common/own.js";
import { mean } from "../compare/moments.js";
import type { StepEvent } from "../train/events.js";
import { bestPoints, finalMetrics, metricCourse } from "./course.js";
import { drawCurves } from "./drawCurves.js";
import { curvesTable } from "./figureTable.js";
import { html, type Markup } from "./html.js";
import { figure, fitting, titled } from "./layout.js";
import { runMark } from "./legend.js";
import type { Point, Run } from "./runs.js";
import { curvesOf, type Subject, valuesOf } from "./subjects.js";
import { meanAndSpread, table } from "./table.js";

/** Loss on training rows and on rows that were not learned from, and how much larger that is. */
export interface Gap {
  /** Mean over the last tenth of the last phase's steps; with early stopping the tenth that ends at the state which is kept. */
  readonly train: number;
  readonly heldOut: number;
  /** Positive where the model does worse on rows that it has not learned from. */
  readonly gap: number;
}

/** Undefined for a run without steps, or without a loss on validation or test rows. */
export function gapOf(run: Run): Gap | undefined {
  const metrics = finalMetrics(run);
  const heldOut = own(metrics, "loss") ?? own(metrics, "test_loss");
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

/** A row a subject; and how the gap went, where runs were evaluated on the way. */
export function gapFigure(subjects: readonly Subject[], task?: string): Markup | undefined {
  const known = subjects.filter((subject) => valuesOf(subject, (run) => gapOf(run)?.gap).length > 0);
  if (known.length === 0) return undefined;
  const cell = (subject: Subject, key: keyof Gap) =>
    meanAndSpread(
      valuesOf(subject, (run) => gapOf(run)?.[key]),
      formatNumber,
    );
  const rows = known.map(
    (subject) =>
      html`<tr><th scope="row">${runMark(subject)} ${subject.name}</th>${(["train", "heldOut", "gap"] as const).map((key) => html`<td>${cell(subject, key)}</td>`)}</tr>`,
  );
  const head = ["", "Training loss", "Loss on new rows", "Gap"];
  const curves = curvesOf(known, gapCourse).filter(({ points }) => points.length > 1);
  const drawing =
    curves.length > 0
      ? fitting((size) => drawCurves({ title: "Generalisation gap", curves, withDots: true }, size))
      : "";
  return figure({
    id: "gap",
    title: "Generalisation gap",
    task,
    drawings: [table(titled("Losses at the end, and the gap between them", task), head, rows), drawing],
    caption:
      "Loss on rows that were not learned from (validation rows, else test rows) less the mean training loss of the last tenth of the steps: above 0 the model does worse on new rows. Training loss is taken while the weights move and under dropout, so that a gap can be below 0.",
    data: curves.length > 0 ? curvesTable(titled("Generalisation gap at each evaluation", task), curves) : undefined,
  });
}
