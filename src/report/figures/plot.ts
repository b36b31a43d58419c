import * as Plot from "@observablehq/plot";
import { tickStep, ticks } from "d3-array";
import { parseHTML } from "linkedom";
import { escapeHtml, Markup } from "../html.js";
import type { Point, Run } from "../runs.js";
import type { Subject } from "./curves.js";
import { runColour, runDash, runSymbol } from "./palette.js";

/** One figure's drawing: its marks between the axes, and what a reader who can't see it is told. */
export interface Drawing {
  readonly title: string;
  /** What it shows, in words. */
  readonly description: string;
  readonly marks: Plot.Markish[];
  readonly width: number;
  readonly height: number;
  readonly yDomain?: readonly [number, number] | undefined;
  /** By default steps, from 0. */
  readonly x?: { readonly label: string; readonly domain?: readonly [number, number] };
  /** Room to the right of the axes. */
  readonly marginRight?: number;
  /** By default the values of the title. */
  readonly yLabel?: string;
  /** Names on the y axis in the place of values, from the top. */
  readonly bands?: readonly string[];
}

const { document } = parseHTML("<!doctype html><html><body></body></html>");

const MARGINS = { marginTop: 22, marginBottom: 38 };
const [LEFT, RIGHT] = [58, 16];

/** Draws to SVG with axes for steps and values. Colours are custom properties of the page, so that they follow its theme. */
export function draw(drawing: Drawing): Markup {
  const { title, description, marks, width, height, yDomain, bands, x = { label: "step" }, yLabel } = drawing;
  const { marginRight = RIGHT } = drawing;
  const ticks = height / 45;
  const marginLeft = bands ? Math.min(width / 2.4, 30 + 7 * Math.max(...bands.map((name) => name.length))) : LEFT;
  const xTicks = x.domain && ticksWithin(x.domain, width - marginLeft - marginRight);
  const svg: { outerHTML: string } = Plot.plot({
    document,
    className: "plot",
    width,
    height,
    ...MARGINS,
    marginLeft,
    marginRight,
    style: { fontSize: "12px" },
    x: x.domain ? { domain: [...x.domain] } : { nice: true, zero: true },
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

/** A small square drawing without axes, for a legend: a mark at (0, 0). */
export function drawBare(marks: Plot.Markish[], size: number): Markup {
  const axes = { axis: null, domain: [-1, 1] };
  const svg: { outerHTML: string } = Plot.plot({
    document,
    className: "mark",
    width: size,
    height: size,
    margin: 0,
    x: axes,
    y: axes,
    marks,
  });
  const bare = svg.outerHTML.replace(/<style>.*?<\/style>/s, "");
  return new Markup(bare.replace("<svg ", () => '<svg aria-hidden="true" '));
}

/** The page has the drawings' style once; a title and a description are what screen readers tell. */
function named(svg: string, title: string, description: string): string {
  const told = `<title>${escapeHtml(title)}</title><desc>${escapeHtml(description)}</desc>`;
  const one = svg.replace(/<style>[^<]*<\/style>/, () => told).replace("<svg ", () => '<svg role="img" ');
  // Inside an image nothing has a name of its own.
  return shortened(one.replaceAll(' aria-label="', ' data-mark="'));
}

/** Places to a hundredth, which is less than a pixel; text is left alone. */
const shortened = (svg: string): string =>
  svg.replace(/="[^"]*\.\d{3}[^"]*"/g, (attribute) => attribute.replace(/(\.\d\d)\d+/g, "$1"));

/** A curve, one line a phase; a raw one lies faintly behind its trend. */
export function curve({ index }: Pick<Subject, "index">, points: readonly Point[], isRaw = false): Plot.Markish {
  return Plot.line(points, {
    x: "step",
    y: "value",
    z: "phase",
    stroke: runColour(index),
    strokeWidth: isRaw ? 1 : 2,
    strokeOpacity: isRaw ? 0.25 : 1,
    strokeDasharray: isRaw ? "none" : runDash(index),
  });
}

/** Marks of a subject's own form, that tell their value when pointed at. */
export function dots<P extends Point>(
  { index }: Pick<Subject, "index">,
  points: readonly P[],
  tell?: (point: P) => string,
): Plot.Markish {
  const options = { x: "step", y: "value", r: 3.2, symbol: runSymbol(index), fill: runColour(index) } as const;
  return Plot.dot(points, tell ? { ...options, title: tell } : options);
}

/** Dotted uprights where runs turn from search to retraining. */
export function retrainRules(runs: readonly Run[]): Plot.Markish[] {
  const steps = new Set(runs.flatMap((run) => run.of("step").find(({ phase }) => phase === "retrain")?.step ?? []));
  const at = [...steps].map((step) => ({ step }));
  return [
    Plot.ruleX(at, { x: "step", stroke: "var(--soft)", strokeDasharray: "2 3" }),
    // One label will do: runs that turn at nearly the same step would write over each other.
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

/** From the least value to the largest, with some room around them, also where they are all one. */
export function around(values: readonly number[]): readonly [number, number] {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const room = 0.08 * (most - least) || 0.05 * Math.abs(most) || 1;
  return [least - room, most + room];
}

/** Where an axis has its ticks, and what stands at each. */
export interface Ticks {
  readonly values: readonly number[];
  readonly format: (value: number) => string;
}

/** Width of a character of a tick, about, and the room between two ticks. */
const CHARACTER = 6.8;
const GAP = 14;
/** Pixels that a tick has, at the least. */
const LEAST = 56;

const UNITS = [
  { size: 1e9, divisor: 1e9, suffix: "G" },
  { size: 1e6, divisor: 1e6, suffix: "M" },
  { size: 1e4, divisor: 1e3, suffix: "K" },
  { size: 0, divisor: 1, suffix: "" },
] as const;

/** As many ticks as have room beside each other, each with all the digits that tell it from the next one. */
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
