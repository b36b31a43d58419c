// Colors, dashes and marks of runs, and the legend.
import * as Plot from "@observablehq/plot";
// The build in a single file, which loads three times as fast.
import { parseHTML } from "linkedom/worker";
import { html, Markup } from "../html.js";

/**
 * Colors as custom properties, one set for the light theme and one for the dark theme. Runs use Okabe and Ito's palette, which works
 * with any kind of color vision. Its order here also gives neighbors different lightness; dashes and marks need no color at all.
 */
const LIGHT = {
  runs: ["#0072b2", "#d55e00", "#009e73", "#b8558f", "#8a6d00", "#3a9bd9", "#5c5c5c"],
  // From the first layer to the last, with increasing contrast to the page.
  depths: ["#8cc5c0", "#5fadb0", "#3f94a3", "#2f7a96", "#2b6088", "#2e4577", "#2f2a5e", "#2a1145"],
};

const DARK = {
  runs: ["#56b4e9", "#ff8a3d", "#2fc79a", "#e59ac6", "#f0cf4a", "#9db4ff", "#b5b5b5"],
  depths: ["#6a7fd0", "#5f93d6", "#57a6d8", "#5ab8d6", "#6bc9d2", "#8ad9d0", "#b2e8d3", "#e0f7e2"],
};

const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];

const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"] as const;

type RunSymbol = (typeof SYMBOLS)[number];

export const DEPTH_COLORS = LIGHT.depths.length;

export const runColor = (run: number): string => `var(--run-${run % LIGHT.runs.length})`;
export const runDash = (run: number): string => DASHES[run % DASHES.length]!;
/** With seven marks and four dashes, 28 runs look different. */
export const runSymbol = (run: number): RunSymbol => SYMBOLS[run % SYMBOLS.length]!;
export const depthColor = (step: number): string => `var(--depth-${step})`;

/** The color at a depth between the first layer, 0, and the last, 1. No two layers have the same color. */
export function depthBetween(place: number): string {
  const at = place * (DEPTH_COLORS - 1);
  const below = Math.min(Math.floor(at), DEPTH_COLORS - 2);
  const share = Math.round((at - below) * 1000) / 10;
  return `color-mix(in oklab,${depthColor(below + 1)} ${share}%,${depthColor(below)})`;
}

const declare = ({ runs, depths }: typeof LIGHT): string =>
  [
    ...runs.map((color, index) => `--run-${index}:${color};`),
    ...depths.map((color, index) => `--depth-${index}:${color};`),
  ].join("");

export const lightColors = declare(LIGHT);
export const darkColors = declare(DARK);

export const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** The stroke and the mark of a subject's curves. */
function runMark({ index }: { readonly index: number }): Markup {
  const color = runColor(index);
  return html`<svg class="mark" viewBox="0 0 26 10" width="26" height="10" aria-hidden="true"><line x1="0" y1="5" x2="26" y2="5" stroke="${color}" stroke-width="2.5" stroke-dasharray="${runDash(index)}"/><g fill="${color}" transform="translate(13,5)">${symbolPath(index)}</g></svg>`;
}

export const marked = (subject: { readonly index: number; readonly name: string }, name = subject.name): Markup =>
  html`${runMark(subject)} ${name}`;

const paths = new Map<string, Markup>();

/** The outline of a mark around (0, 0), the same as in figures. */
function symbolPath(index: number): Markup {
  const symbol = runSymbol(index);
  const known = paths.get(symbol);
  if (known) return known;
  const dot = Plot.dot([0], { x: 0, y: 0, r: 4, symbol });
  const unit = { domain: [0, 1] };
  const svg: { outerHTML: string } = Plot.plot({
    ...{ document, width: 0, height: 0, margin: 0, axis: null, x: unit, y: unit },
    marks: [dot],
  });
  const outline = /\bd="([^"]*)"/.exec(svg.outerHTML)?.[1];
  const made = outline === undefined ? new Markup('<circle r="4"/>') : html`<path d="${outline}"/>`;
  paths.set(symbol, made);
  return made;
}

/** With more subjects than this, the legend scrolls away, because it would cover the figures. */
const MOST_ALONG = 20;

/** The legend of several subjects. A single subject needs none. */
export function legend(subjects: readonly { readonly index: number; readonly name: string }[]): Markup | undefined {
  if (subjects.length < 2) return undefined;
  return html`<ul class="${subjects.length > MOST_ALONG ? "legend many" : "legend"}" aria-label="Legend">${subjects.map((one) => html`<li>${marked(one)}</li>`)}</ul>`;
}
