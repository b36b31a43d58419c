import { group } from "d3-array";
import { formatBytes, formatCount, formatNumber, formatSeconds, words } from "../common/format.js";
import { html, type Markup } from "./html.js";
import { figure, panels, type Size, titled } from "./layout.js";
import { runMark } from "./legend.js";
import { scatter } from "./scatter.js";
import { folded, meanAndSpread, row, table } from "./table.js";

/** What one run reached, and what it took. */
export interface Spent {
  /** What it is one of: its method. */
  readonly name: string;
  /** That one's number in the page. */
  readonly index: number;
  /** What a tooltip says of it. */
  readonly run: string;
  readonly score: number;
  readonly seconds: number;
  readonly trainedParameters: number;
  readonly peakMemoryBytes: number;
}

/** A metric, and which way is better, where that is known. */
export interface Judge {
  readonly metric: string;
  readonly goal?: "maximize" | "minimize" | undefined;
}

/** What is spent, in the unit in which it is drawn. */
export interface Axis {
  readonly title: string;
  readonly unit: string;
  of(run: Spent): number;
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

/** What is judged, with the way that is better. */
export const judgeTitle = ({ metric, goal }: Judge): string =>
  `${metric === "loss" ? "Validation loss" : words(metric)}${goal === undefined ? "" : goal === "maximize" ? " ↑" : " ↓"}`;

/** Scores over what they cost: a mark a run, and for a method with several the mean with its spread both ways. */
export function costFigure(spent: readonly Spent[], judge: Judge, task?: string): Markup | undefined {
  const names = [...new Set(spent.map(({ name }) => name))];
  if (spent.length < 2) return undefined;
  const axes = AXES.filter((axis) => spent.every((one) => Number.isFinite(axis.of(one))));
  const list = axes.map((axis) => ({
    title: axis.title,
    draw: (size: Size) => scatter(spent, judgeTitle(judge), axis, size),
  }));
  if (list.length === 0) return undefined;
  const several = spent.length > names.length;
  return figure({
    id: "cost",
    title: "Score and cost",
    task,
    drawings: [panels(list, 2)],
    caption: `${judgeTitle(judge)} over what a run took${several ? "; small marks are runs, large ones means over a method’s runs, with one sample deviation to either side" : ""}.`,
    data: folded("The figure’s numbers", costTable(spent, judge, axes, task)),
  });
}

function costTable(spent: readonly Spent[], judge: Judge, axes: readonly Axis[], task?: string): Markup {
  const rows = [...group(spent, ({ name }) => name)].map(([name, runs]) =>
    row(html`${runMark(runs[0]!)} ${name}`, [
      String(runs.length),
      meanAndSpread(
        runs.map(({ score }) => score),
        formatNumber,
      ),
      ...axes.map(({ of, format }) => meanAndSpread(runs.map(of), format)),
    ]),
  );
  return table(
    titled("Score and cost", task),
    ["", "Runs", judgeTitle(judge), ...axes.map(({ title }) => title)],
    rows,
  );
}
