import * as Plot from "@observablehq/plot";
import { PART_NAMES, type PartTime } from "./breakdownParts.js";
import { COLORS, document, standalone } from "./svg.js";

export interface Breakdown {
  readonly method: string;
  readonly build: "before" | "now";
  readonly parts: readonly PartTime[];
}

const ROW = 26;
const LEGEND_LINE = 20;
const LEGEND_COLUMNS = 2;
const COLUMN_WIDTH = 300;

/** A standalone SVG: a bar for each method and build, stacked by the parts of a step. `limit`, in milliseconds, is a line across LoRA's bars. */
export function drawBreakdown(breakdowns: readonly Breakdown[], limit: number): string {
  const bars = breakdowns.flatMap(({ parts, ...bar }) => parts.map((part) => ({ ...part, bar: nameOf(bar) })));
  const legendHeight = Math.ceil(PART_NAMES.length / LEGEND_COLUMNS) * LEGEND_LINE;
  const plot: { outerHTML: string } = Plot.plot({
    document,
    width: 800,
    height: breakdowns.length * ROW + legendHeight + 90,
    marginLeft: 256,
    marginRight: 64,
    marginTop: 22,
    marginBottom: legendHeight + 54,
    style: { fontSize: "13px", background: "none", color: "#808080" },
    color: { domain: PART_NAMES, range: COLORS },
    x: {
      label: "milliseconds per step",
      labelAnchor: "right",
      labelOffset: 36,
      labelArrow: "none",
      tickFormat: String,
    },
    y: { domain: breakdowns.map(nameOf), label: null, tickSize: 0 },
    marks: [
      Plot.gridX({ stroke: "#808080", strokeOpacity: 0.25 }),
      Plot.barX(bars, {
        x: "milliseconds",
        y: "bar",
        fill: "part",
        order: [...PART_NAMES],
        insetTop: 2,
        insetBottom: 2,
      }),
      Plot.text(breakdowns, {
        x: total,
        y: nameOf,
        text: (bar: Breakdown) => total(bar).toFixed(0),
        textAnchor: "start",
        dx: 6,
        fill: "currentColor",
      }),
      Plot.tickX(
        breakdowns.filter(({ method }) => method === "LoRA"),
        { x: limit, y: nameOf, stroke: "#d03030", strokeWidth: 3 },
      ),
      Plot.text(["the limit"], { x: limit, frameAnchor: "top", dy: -14, fill: "#d03030" }),
      ...legend(),
    ],
  });
  return standalone(
    plot.outerHTML,
    `Milliseconds per step. ${breakdowns.map(described).join("; ")}. LoRA's limit: ${limit.toFixed(0)}`,
  );
}

const nameOf = ({ method, build }: Pick<Breakdown, "method" | "build">): string => `${method}, ${build}`;

const total = ({ parts }: Breakdown): number => parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0);

const described = (bar: Breakdown): string =>
  `${nameOf(bar)}: ${bar.parts.map(({ part, milliseconds }) => `${part} ${milliseconds.toFixed(0)}`).join(", ")}`;

/** Swatches and names below the axis, in columns. */
function legend() {
  return PART_NAMES.flatMap((part, i) => {
    const dx = (i % LEGEND_COLUMNS) * COLUMN_WIDTH - 150;
    const dy = 54 + Math.floor(i / LEGEND_COLUMNS) * LEGEND_LINE;
    const place = { frameAnchor: "bottom-left", dy } as const;
    return [
      Plot.dot([part], { ...place, dx, fill: COLORS[i] as string, symbol: "square", r: 5 }),
      Plot.text([part], { ...place, dx: dx + 12, textAnchor: "start", fill: "currentColor", lineAnchor: "middle" }),
    ];
  });
}
