import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { escapeHtml, Markup } from "./html.js";
import { runColour, runDash, runSymbol } from "./palette.js";
import type { Point, Run } from "./runs.js";
import type { Subject } from "./subjects.js";
import { ticksWithin } from "./ticks.js";

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
