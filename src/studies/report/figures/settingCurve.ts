// The figure of scores over a setting: how much each method depends on its learning rate, for example.
import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { formatNumber } from "../../../base/index.js";
import type { ComparedTask, Comparison, CurveSummary } from "../../../base/records/index.js";
import { mainHeading } from "../../statistics/checkComparison.js";
import { curveNotes, curveTable, valuesIn } from "../../tables/curveTables.js";
import { comparedTable, figure, fitting, type Markup, type Size, titled } from "../html.js";
import type { Point } from "../runs.js";
import { runColor } from "./palette.js";
import { around, curve, dots, draw, withinRange } from "./plot.js";

/** A method's mean at a value of the setting, with its deviation to either side. */
interface ShownPoint extends Point {
  readonly low: number;
  readonly high: number;
}

interface Shown {
  readonly index: number;
  readonly summary: CurveSummary;
  readonly points: readonly ShownPoint[];
  /** Keeps an end of the axis in the metric's range. */
  readonly clamp: (end: number) => number;
}

/** One figure for each setting: a line, a band and marks for each method; undefined if there is no curve of the task. */
export function settingCurves(
  { methods, curve: runs = [], curves = [] }: Comparison,
  task: ComparedTask,
  name?: string,
): Markup[] {
  const unfinished = runs.filter(({ metrics, diverged }) => metrics === null && !diverged).length;
  const ofTask = curves.filter((one) => one.task === task.name);
  return [...group(ofTask, ({ setting }) => setting)].map(([setting, summaries]) => {
    const title = `${mainHeading(task)} over ${setting}`;
    const clamp = withinRange(
      mainHeading(task),
      summaries.flatMap(({ points }) => points.flatMap(({ mean }) => mean ?? [])),
    );
    const shown = summaries.map((summary) => shownOf(summary, methods.indexOf(summary.method), clamp));
    return figure({
      id: `curve-${setting}`,
      title,
      task: name,
      drawings: [fitting((size) => drawShown(title, setting, shown, size))],
      caption: `Means over seeds, bands of one sample deviation to either side, and a ring around each method’s best value. Values at which a run diverged have no mark. ${curveNotes(summaries, unfinished).join(" ")}`,
      numbers: [comparedTable(curveTable(task, summaries), titled(title, name))],
    });
  });
}

const shownOf = (summary: CurveSummary, index: number, clamp: (end: number) => number): Shown => ({
  ...{ index, summary, clamp },
  points: summary.points.flatMap(({ value: step, mean, deviation }) =>
    mean === null
      ? []
      : [
          {
            ...{ run: summary.method, phase: "train" as const, step, value: mean },
            ...{ low: clamp(mean - (deviation ?? 0)), high: clamp(mean + (deviation ?? 0)) },
          },
        ],
  ),
});

function drawShown(title: string, setting: string, shown: readonly Shown[], size: Size): Markup {
  const points = shown.flatMap((one) => one.points);
  const values = valuesIn(shown.map(({ summary }) => summary));
  const best = shown.flatMap(({ summary, points: own }) => own.filter(({ step }) => step === summary.best));
  const described = best.map(({ run, step, value }) => `${run} best at ${step}: ${formatNumber(value)}`);
  return draw({
    title,
    description: `${described.join("; ")}.`,
    ...size,
    x: { label: setting, ...xAxis(values) },
    yDomain: around(
      points.flatMap(({ low, high }) => [low, high]),
      shown[0]!.clamp,
    ),
    marks: [
      ...shown.map(({ index, points: own }) =>
        Plot.areaY(own, { x: "step", y1: "low", y2: "high", fill: runColor(index), fillOpacity: 0.16 }),
      ),
      ...shown.map(({ index, points: own }) => curve({ index }, own)),
      ...shown.map(({ index, points: own }) => dots({ index }, own, tooltip)),
      Plot.dot(best, { x: "step", y: "value", r: 7, stroke: "var(--ink)", strokeWidth: 1.5 }),
    ],
  });
}

const tooltip = ({ run, step, value }: Point): string => `${run} at ${step}: ${formatNumber(value)}`;

/** The tried values as ticks; logarithmic where all are above 0. */
function xAxis(values: readonly number[]) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (least <= 0 || least === most) return { domain: around(values), ticks: values };
  const room = (most / least) ** 0.05;
  return { domain: [least / room, most * room] as const, ticks: values, isLog: true };
}
