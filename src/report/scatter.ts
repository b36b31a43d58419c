import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { formatNumber } from "../common/format.js";
import { mean, sampleDeviation } from "../compare/statistics.js";
import type { Axis, Spent } from "./cost.js";
import { around } from "./domain.js";
import type { Markup } from "./html.js";
import { labelsOf } from "./labels.js";
import type { Size } from "./layout.js";
import { runColour, runSymbol } from "./palette.js";
import { draw } from "./plot.js";

/** Scores over one cost: a large mark the mean of a method, named beside the axes, small ones its runs, and lines for the spread of both. */
export function scatter(spent: readonly Spent[], score: string, axis: Axis, size: Size): Markup {
  const means = [...group(spent, ({ name }) => name).values()].map((runs) => meanOf(runs, axis));
  const several = means.filter(({ runs }) => runs.length > 1);
  const ends = (read: (one: Mean) => readonly number[]) => means.flatMap(read);
  const told = means.map(({ name, x, y }) => `${name} ${formatNumber(y)} at ${axis.format(x)}`).join("; ");
  const tell = ({ name, x, y }: Mean) => `${name}: ${formatNumber(y)}, ${axis.format(x)}`;
  const labels = labelsOf(means);
  return draw({
    title: `${score} over ${axis.title.toLowerCase()}`,
    description: `${told}.`,
    width: size.width,
    height: Math.max(size.height, labels?.height ?? 0),
    ...(labels && { marginRight: labels.marginRight }),
    x: {
      label: axis.unit,
      domain: around([...ends(({ xLow, xHigh }) => [xLow, xHigh]), ...spent.map(axis.of)]),
    },
    yDomain: around([...ends(({ yLow, yHigh }) => [yLow, yHigh]), ...spent.map((one) => one.score)]),
    marks: [
      ...(labels?.marks ?? []),
      Plot.ruleX(several, { x: "x", y1: "yLow", y2: "yHigh", stroke: "colour", strokeWidth: 1.5 }),
      Plot.ruleY(several, { y: "y", x1: "xLow", x2: "xHigh", stroke: "colour", strokeWidth: 1.5 }),
      ...several.map(({ index, runs }) =>
        Plot.dot(runs, { x: axis.of, y: "score", r: 2.5, ...formOf(index), fillOpacity: 0.55, title: tellRun }),
      ),
      ...means.map((one) =>
        Plot.dot([one], { x: "x", y: "y", r: 6, ...formOf(one.index), stroke: "var(--card)", title: tell }),
      ),
    ],
  });
}

const formOf = (index: number) => ({ fill: runColour(index), symbol: runSymbol(index) }) as const;

const tellRun = ({ run, score }: Spent): string => `${run}: ${formatNumber(score)}`;

type Mean = ReturnType<typeof meanOf>;

/** Where a method stands, and how far its runs are from there: one sample deviation each way. */
function meanOf(runs: readonly Spent[], { of }: Axis) {
  const [{ name, index }] = runs as [Spent];
  const [xs, ys] = [runs.map(of), runs.map(({ score }) => score)];
  const [x, y, dx, dy] = [mean(xs), mean(ys), sampleDeviation(xs) ?? 0, sampleDeviation(ys) ?? 0];
  return {
    name,
    index,
    runs,
    x,
    y,
    xLow: x - dx,
    xHigh: x + dx,
    yLow: y - dy,
    yHigh: y + dy,
    colour: runColour(index),
  };
}
