import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { escapeHtml, Markup } from "./html.js";
import { runColour, runDash } from "./palette.js";
import type { Point, Run } from "./runs.js";

/** One figure's drawing: its marks between the axes, and what a reader who can't see it is told. */
export interface Drawing {
  readonly alt: string;
  readonly marks: Plot.Markish[];
  readonly width: number;
  readonly height: number;
  readonly yDomain?: readonly [number, number];
  /** What the axes are of; steps and the values of the title by default. */
  readonly labels?: { readonly x: string; readonly y: string };
}

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** Draws to SVG with two axes. Colours are custom properties of the page, so that they follow its theme. */
export function draw({ alt, marks, width, height, yDomain, labels }: Drawing): Markup {
  const svg: { outerHTML: string } = Plot.plot({
    document,
    className: "plot",
    width,
    height,
    marginLeft: 58,
    marginRight: 14,
    marginTop: 22,
    marginBottom: 38,
    style: { fontSize: "12px" },
    x: { nice: true, zero: true },
    y: { nice: true, ...(yDomain ? { domain: [...yDomain] } : {}) },
    marks: [
      Plot.gridY({ stroke: "var(--grid)", strokeOpacity: 1, ticks: height / 45 }),
      Plot.axisY({
        label: labels?.y ?? null,
        labelArrow: "none",
        tickSize: 0,
        ticks: height / 45,
        fill: "var(--soft)",
      }),
      Plot.axisX({
        label: labels?.x ?? "step",
        labelAnchor: "right",
        labelArrow: "none",
        ticks: width / 90,
        tickSize: 4,
        fill: "var(--soft)",
        stroke: "var(--soft)",
      }),
      ...marks,
    ],
  });
  const opening = `<svg role="img" aria-label="${escapeHtml(alt)}" `;
  return new Markup(svg.outerHTML.replace("<svg ", () => opening));
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

/** A run's curve, one line a phase; a raw one lies faintly behind its trend. */
export function curve(run: Run, points: readonly Point[], isRaw = false): Plot.Markish {
  return Plot.line(points, {
    x: "step",
    y: "value",
    z: "phase",
    stroke: runColour(run.index),
    strokeWidth: isRaw ? 1 : 2,
    strokeOpacity: isRaw ? 0.22 : 1,
    strokeDasharray: isRaw ? "none" : runDash(run.index),
  });
}

/** Dots that tell their value when pointed at. */
export function dots(run: Run, points: readonly Point[], tell: (point: Point) => string): Plot.Markish {
  return Plot.dot(points, { x: "step", y: "value", r: 2.8, fill: runColour(run.index), title: tell });
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
