// A single SVG drawing with axes.
import * as Plot from "@observablehq/plot";
import { tickStep, ticks } from "d3-array";
import { escapeHtml, Markup } from "../html.js";
import type { Point, Run } from "../runs.js";
import { document, runColor, runDash, runSymbol } from "./palette.js";

/** A drawing: its marks between the axes, and its description for readers who can't see it. */
interface Drawing {
  readonly title: string;
  /** Its content in words. */
  readonly description: string;
  readonly marks: Plot.Markish[];
  readonly width: number;
  readonly height: number;
  readonly yDomain?: readonly [number, number] | undefined;
  /** The x axis; by default steps from 0. */
  readonly x?: XAxis;
  readonly marginRight?: number;
  readonly yLabel?: string;
  /** Names on the y axis instead of values, from the top. */
  readonly bands?: readonly string[];
}

interface XAxis {
  readonly label: string;
  readonly domain?: readonly [number, number];
  readonly isLog?: boolean;
  /** By default as many round values as fit. */
  readonly ticks?: readonly number[];
}

const MARGINS = { marginTop: 22, marginBottom: 38 };
const [LEFT, RIGHT] = [58, 16];

/** Draws an SVG with axes. Colors are custom properties of the page and follow its theme. */
export function draw(drawing: Drawing): Markup {
  const { title, description, marks, width, height, yDomain, bands, x = { label: "step" }, yLabel } = drawing;
  const { marginRight = RIGHT } = drawing;
  const ticks = height / 45;
  const marginLeft = bands ? Math.min(width / 2.4, 30 + 7 * Math.max(...bands.map((name) => name.length))) : LEFT;
  const xTicks = x.domain && ticksOn(x, x.domain, width - marginLeft - marginRight);
  const svg: { outerHTML: string } = Plot.plot({
    document,
    className: "plot",
    width,
    height,
    ...MARGINS,
    marginLeft,
    marginRight,
    style: { fontSize: "12px" },
    x: x.domain ? { domain: [...x.domain], ...(x.isLog && { type: "log" }) } : { nice: true, zero: true },
    y: bands ? { type: "point", domain: [...bands] } : { nice: true, ...(yDomain ? { domain: [...yDomain] } : {}) },
    marks: [
      Plot.gridY({ stroke: "var(--grid)", strokeOpacity: 1, ...(bands ? {} : { ticks }) }),
      Plot.axisY({
        label: yLabel ?? null,
        labelArrow: "none",
        tickSize: 0,
        fill: "var(--soft)",
        ...(bands ? {} : { ticks }),
      }),
      Plot.axisX({
        label: x.label,
        labelAnchor: x.domain ? "center" : "right",
        labelArrow: "none",
        ...(xTicks ? { ticks: [...xTicks.values], tickFormat: xTicks.format } : { ticks: width / 90 }),
        tickSize: 4,
        fill: "var(--soft)",
        stroke: "var(--soft)",
      }),
      ...marks,
    ],
  });
  return new Markup(named(svg.outerHTML, title, description));
}

function ticksOn({ ticks, isLog }: XAxis, domain: readonly [number, number], width: number): Ticks {
  if (!ticks) return ticksWithin(domain, width);
  const along = isLog ? Math.log : (value: number) => value;
  const [low, high] = domain.map(along) as [number, number];
  let last = Number.NEGATIVE_INFINITY;
  const values = ticks.filter((value) => {
    const at = ((along(value) - low) / (high - low)) * width;
    if (at - last < LEAST) return false;
    last = at;
    return true;
  });
  return { values, format: String };
}

/** A small square drawing without axes, for a legend: a mark at (0, 0). */
export function drawBare(marks: Plot.Markish[], size: number): Markup {
  const axes = { axis: null, domain: [-1, 1] };
  const svg: { outerHTML: string } = Plot.plot({
    ...{ document, className: "mark", width: size, height: size, margin: 0 },
    ...{ x: axes, y: axes, marks },
  });
  const bare = svg.outerHTML.replace(/<style>.*?<\/style>/s, "");
  return new Markup(bare.replace("<svg ", () => '<svg aria-hidden="true" '));
}

/** Adds a title and a description for screen readers. The style is in the page once. */
function named(svg: string, title: string, description: string): string {
  const texts = `<title>${escapeHtml(title)}</title><desc>${escapeHtml(description)}</desc>`;
  const one = svg.replace(/<style>[^<]*<\/style>/, () => texts).replace("<svg ", () => '<svg role="img" ');
  // Parts of an image must not have labels of their own.
  return shortened(one.replaceAll(' aria-label="', ' data-mark="'));
}

/** Rounds coordinates to two decimals, which is less than a pixel. Text stays unchanged. */
const shortened = (svg: string): string =>
  svg.replace(/="[^"]*\.\d{3}[^"]*"/g, (attribute) => attribute.replace(/(\.\d\d)\d+/g, "$1"));

/** A subject, whose index chooses its color, dashes and marks. */
interface Indexed {
  readonly index: number;
}

/** A curve, one line for each phase. Raw values are drawn faintly. */
export function curve({ index }: Indexed, points: readonly Point[], isRaw = false): Plot.Markish {
  return Plot.line(points, {
    x: "step",
    y: "value",
    z: "phase",
    stroke: runColor(index),
    strokeWidth: isRaw ? 1 : 2,
    strokeOpacity: isRaw ? 0.25 : 1,
    strokeDasharray: isRaw ? "none" : runDash(index),
  });
}

/** Marks in the shape of a subject, with a tooltip for each value. */
export function dots<P extends Point>(
  { index }: Indexed,
  points: readonly P[],
  tooltip?: (point: P) => string,
): Plot.Markish {
  const options = { x: "step", y: "value", r: 3.2, symbol: runSymbol(index), fill: runColor(index) } as const;
  return Plot.dot(points, tooltip ? { ...options, title: tooltip } : options);
}

/** Dotted vertical lines at the start of retraining. */
export function retrainRules(runs: readonly Run[]): Plot.Markish[] {
  const steps = new Set(runs.flatMap((run) => run.of("step").find(({ phase }) => phase === "retrain")?.step ?? []));
  const at = [...steps].map((step) => ({ step }));
  return [
    Plot.ruleX(at, { x: "step", stroke: "var(--soft)", strokeDasharray: "2 3" }),
    // One label is enough: labels of runs with almost the same step would overlap.
    Plot.text(at.slice(0, 1), {
      x: "step",
      frameAnchor: "top",
      lineAnchor: "bottom",
      dy: -4,
      text: () => "retraining",
      fill: "var(--soft)",
    }),
  ];
}

/** The range of values with some padding, also if all values are the same. @param clamp see `withinRange` */
export function around(values: readonly number[], clamp = (end: number): number => end): readonly [number, number] {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const room = 0.08 * (most - least) || 0.05 * Math.abs(most) || 1;
  return [clamp(least - room), clamp(most + room)];
}

/** Metrics that can't leave a range, by their names. */
const RANGES: readonly (readonly [RegExp, readonly [number, number]])[] = [
  [/correlation|pearson|spearman/i, [-1, 1]],
  [/accuracy|precision|recall|f1|match|ndcg|mrr|\bmap\b|bleu|meteor|rouge|chrf/i, [0, 1]],
  [/loss|error|perplexity/i, [0, Number.POSITIVE_INFINITY]],
];

type Clamp = (end: number) => number;

/** Keeps an end of an axis or of a band in the range of a metric, unless some values are out of it. */
export function withinRange(metric: string, values: readonly number[]): Clamp {
  const [, [low, high]] = RANGES.find(([names]) => names.test(metric)) ?? [undefined, [-Infinity, Infinity]];
  const isWithin = values.every((value) => low <= value && value <= high);
  return (end) => (isWithin ? Math.min(high, Math.max(low, end)) : end);
}

interface Ticks {
  readonly values: readonly number[];
  readonly format: (value: number) => string;
}

/** The approximate width of a character in a tick's label, and the space between two labels. */
const CHARACTER = 6.8;
const GAP = 14;
/** The minimum width in pixels for a tick. */
const LEAST = 56;

const UNITS = [
  { size: 1e9, divisor: 1e9, suffix: "G" },
  { size: 1e6, divisor: 1e6, suffix: "M" },
  { size: 1e4, divisor: 1e3, suffix: "K" },
  { size: 0, divisor: 1, suffix: "" },
] as const;

/** As many ticks as fit, each with enough digits to differ from the next one. */
export function ticksWithin([low, high]: readonly [number, number], width: number): Ticks {
  for (let count = Math.max(2, Math.floor(width / LEAST)); count > 1; count--) {
    const found = ticksOf(low, high, count);
    if (hasRoom(found, width / (high - low))) return found;
  }
  return ticksOf(low, high, 1);
}

function hasRoom({ values, format }: Ticks, scale: number): boolean {
  const [first = 0, second = Number.POSITIVE_INFINITY] = values;
  const widest = Math.max(...values.map((value) => format(value).length));
  return CHARACTER * widest + GAP <= (second - first) * scale;
}

function ticksOf(low: number, high: number, count: number): Ticks {
  const values = ticks(low, high, count);
  const largest = Math.max(...values.map(Math.abs));
  const { divisor, suffix } = UNITS.find(({ size }) => largest >= size)!;
  const step = tickStep(low, high, count);
  // Steps are 1, 2 or 5 times a power of ten.
  const digits = Math.min(12, Math.max(0, Math.ceil(-Math.log10(step / divisor) - 1e-9)));
  const format = (value: number) => `${inFigures(value / divisor, digits)}${value === 0 ? "" : suffix}`;
  return { values, format };
}

const inFigures = (value: number, digits: number): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace(/^-/, "−");
