// The figure of scores over costs.
import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { formatBytes, formatCount, formatNumber, formatSeconds, words } from "../../../base/index.js";
import type { Goal } from "../../../base/records/index.js";
import { mean, sampleDeviation } from "../../statistics/summary.js";
import { figure, type Markup, meanAndSpread, panels, row, type Size, table, titled } from "../html.js";
import { marked, runColor, runSymbol } from "./palette.js";
import { around, draw, withinRange } from "./plot.js";
import { labelsOf } from "./pointLabels.js";

export interface RunCost {
  readonly name: string;
  /** The method's number in the page. */
  readonly index: number;
  readonly run: string;
  readonly score: number;
  readonly seconds: number;
  readonly trainedParameters: number;
  readonly peakMemoryBytes: number;
}

/** The metric of the scores, and which way is better, if known. */
export interface ScoreMetric {
  readonly metric: string;
  readonly goal?: Goal | undefined;
}

interface Axis {
  readonly title: string;
  readonly unit: string;
  of(run: RunCost): number;
  format(value: number): string;
}

const AXES: readonly Axis[] = [
  { title: "Time", unit: "seconds", of: (run) => run.seconds, format: formatSeconds },
  {
    title: "Trained parameters",
    unit: "parameters",
    of: (run) => run.trainedParameters,
    format: (value) => formatCount(Math.round(value)),
  },
  {
    title: "Peak memory",
    unit: "MiB",
    of: (run) => run.peakMemoryBytes / 2 ** 20,
    format: (value) => formatBytes(value * 2 ** 20),
  },
];

/** The metric's title, with an arrow for the better direction. */
const scoreTitle = ({ metric, goal }: ScoreMetric): string =>
  `${metric === "loss" ? "Validation loss" : words(metric)}${goal === undefined ? "" : goal === "maximize" ? " ↑" : " ↓"}`;

/** Scores over costs: a mark for each run, and the mean with its deviations for a method with several runs. */
export function costFigure(spent: readonly RunCost[], metric: ScoreMetric, task?: string): Markup | undefined {
  const names = [...new Set(spent.map(({ name }) => name))];
  if (spent.length < 2) return undefined;
  const axes = AXES.filter((axis) => spent.every((one) => Number.isFinite(axis.of(one))));
  const list = axes.map((axis) => ({
    title: axis.title,
    draw: (size: Size) => scatter(spent, metric, axis, size),
  }));
  if (list.length === 0) return undefined;
  const several = spent.length > names.length;
  return figure({
    id: "cost",
    title: "Score and cost",
    task,
    drawings: [panels(list, 2)],
    caption: `${scoreTitle(metric)} over the cost of a run${several ? ". Small marks are runs, large marks are means over a method’s runs, lines are one sample deviation to either side" : ""}.`,
    numbers: costTable(spent, metric, axes, task),
  });
}

function costTable(spent: readonly RunCost[], metric: ScoreMetric, axes: readonly Axis[], task?: string): Markup {
  const rows = [...group(spent, ({ name }) => name)].map(([name, runs]) => {
    const scores = runs.map(({ score }) => score);
    const costs = axes.map(({ of, format }) => meanAndSpread(runs.map(of), format));
    return row(marked(runs[0]!, name), [String(runs.length), meanAndSpread(scores, formatNumber), ...costs]);
  });
  const head = ["", "Runs", scoreTitle(metric), ...axes.map(({ title }) => title)];
  return table(titled("Score and cost", task), head, rows);
}

/** Scores over one cost: a large mark for the mean of a method, small marks for its runs, and lines for the deviations. */
function scatter(spent: readonly RunCost[], metric: ScoreMetric, axis: Axis, size: Size): Markup {
  const scores = spent.map(({ score }) => score);
  const clamp = withinRange(metric.metric, scores);
  const means = [...group(spent, ({ name }) => name).values()].map((runs) => meanOf(runs, axis, clamp));
  const several = means.filter(({ runs }) => runs.length > 1);
  const summary = means.map(({ name, x, y }) => `${name} ${formatNumber(y)} at ${axis.format(x)}`).join("; ");
  const tooltip = ({ name, x, y }: Mean) => `${name}: ${formatNumber(y)}, ${axis.format(x)}`;
  const labels = labelsOf(means);
  return draw({
    title: `${scoreTitle(metric)} over ${axis.title.toLowerCase()}`,
    description: `${summary}.`,
    width: size.width,
    height: Math.max(size.height, labels?.height ?? 0),
    ...(labels && { marginRight: labels.marginRight }),
    x: {
      label: axis.unit,
      domain: around([...means.flatMap(({ xLow, xHigh }) => [xLow, xHigh]), ...spent.map(axis.of)]),
    },
    yDomain: around([...means.flatMap(({ yLow, yHigh }) => [yLow, yHigh]), ...scores], clamp),
    marks: [
      ...(labels?.marks ?? []),
      Plot.ruleX(several, { x: "x", y1: "yLow", y2: "yHigh", stroke: "color", strokeWidth: 1.5 }),
      Plot.ruleY(several, { y: "y", x1: "xLow", x2: "xHigh", stroke: "color", strokeWidth: 1.5 }),
      ...several.map(({ index, runs }) =>
        Plot.dot(runs, { x: axis.of, y: "score", r: 2.5, ...formOf(index), fillOpacity: 0.55, title: runTooltip }),
      ),
      ...means.map((one) =>
        Plot.dot([one], { x: "x", y: "y", r: 6, ...formOf(one.index), stroke: "var(--card)", title: tooltip }),
      ),
    ],
  });
}

const formOf = (index: number) => ({ fill: runColor(index), symbol: runSymbol(index) }) as const;

const runTooltip = ({ run, score }: RunCost): string => `${run}: ${formatNumber(score)}`;

type Mean = ReturnType<typeof meanOf>;

/** The mean of a method, and one sample deviation each way. */
function meanOf(runs: readonly RunCost[], { of }: Axis, clamp: (end: number) => number) {
  const { name, index } = runs[0]!;
  const [xs, ys] = [runs.map(of), runs.map(({ score }) => score)];
  const [x, y, dx, dy] = [mean(xs), mean(ys), sampleDeviation(xs) ?? 0, sampleDeviation(ys) ?? 0];
  const ends = { xLow: x - dx, xHigh: x + dx, yLow: clamp(y - dy), yHigh: clamp(y + dy) };
  return { name, index, runs, x, y, ...ends, color: runColor(index) };
}
