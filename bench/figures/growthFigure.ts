import * as Plot from "@observablehq/plot";
import { COLORS, document, standalone } from "./svg.js";

export interface GrowthPoint {
  readonly x: number;
  readonly method: string;
  readonly seconds: number;
}

/** A standalone SVG: seconds per step over `axis`, both logarithmic, so that proportional growth is a straight line. */
export function drawGrowth(points: readonly GrowthPoint[], { axis, title }: { axis: string; title: string }): string {
  const methods = [...new Set(points.map(({ method }) => method))];
  const xs = [...new Set(points.map(({ x }) => x))];
  const plot: { outerHTML: string } = Plot.plot({
    document,
    width: 680,
    height: 360,
    marginLeft: 56,
    marginRight: 210,
    marginBottom: 42,
    style: { fontSize: "13px", background: "none", color: "#808080" },
    color: { domain: methods, range: COLORS },
    x: { type: "log", base: 2, ticks: xs, tickFormat: String, label: axis, labelAnchor: "right", labelArrow: "none" },
    y: { type: "log", base: 2, label: `seconds per step · ${title}`, labelArrow: "none", tickFormat: String },
    marks: [
      Plot.gridY({ stroke: "#808080", strokeOpacity: 0.25 }),
      Plot.line(points, { x: "x", y: "seconds", stroke: "method", strokeWidth: 2 }),
      Plot.dot(points, { x: "x", y: "seconds", fill: "method", r: 3.5, title: described }),
      Plot.text(labels(points.filter(({ x }) => x === xs.at(-1))), {
        x: "x",
        y: "at",
        text: "method",
        fill: "method",
        textAnchor: "start",
        dx: 10,
      }),
    ],
  });
  const alt = methods.map(
    (method) =>
      `${method}: ${points
        .filter((p) => p.method === method)
        .map(described)
        .join(", ")}`,
  );
  return standalone(plot.outerHTML, `${axis}. ${alt.join("; ")}`);
}

/** Positions of the curves' names: at the curve's end, moved up where two names would overlap. */
function labels(ends: readonly GrowthPoint[]): (GrowthPoint & { readonly at: number })[] {
  let floor = 0;
  return [...ends]
    .sort((a, b) => a.seconds - b.seconds)
    .map((end) => {
      const at = Math.max(end.seconds, floor);
      floor = at * 1.25;
      return { ...end, at };
    });
}

const described = ({ x, seconds }: GrowthPoint): string => `${x}: ${seconds.toFixed(2)} s`;
