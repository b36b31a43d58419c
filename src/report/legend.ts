import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { html, Markup } from "./html.js";
import { runColour, runDash, runSymbol } from "./palette.js";

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** The stroke and the mark that a subject's curves are drawn with. */
export function runMark({ index }: { readonly index: number }): Markup {
  const colour = runColour(index);
  return html`<svg class="mark" viewBox="0 0 26 10" width="26" height="10" aria-hidden="true"><line x1="0" y1="5" x2="26" y2="5" stroke="${colour}" stroke-width="2.5" stroke-dasharray="${runDash(index)}"/><g fill="${colour}" transform="translate(13,5)">${symbolPath(index)}</g></svg>`;
}

const paths = new Map<string, Markup>();

/** A mark's outline around 0, 0, as the figures have it. */
function symbolPath(index: number): Markup {
  const symbol = runSymbol(index);
  const known = paths.get(symbol);
  if (known) return known;
  const dot = Plot.dot([0], { x: 0, y: 0, r: 4, symbol });
  const options = {
    document,
    width: 0,
    height: 0,
    margin: 0,
    axis: null,
    x: { domain: [0, 1] },
    y: { domain: [0, 1] },
  };
  const svg = (Plot.plot({ ...options, marks: [dot] }) as unknown as { outerHTML: string }).outerHTML;
  const outline = /\bd="([^"]*)"/.exec(svg)?.[1];
  const made = outline === undefined ? new Markup('<circle r="4"/>') : html`<path d="${outline}"/>`;
  paths.set(symbol, made);
  return made;
}

/** Subjects whose legend stays in sight; that of more would hide what it explains. */
const MOST_ALONG = 20;

/** Which curve is whose; the figures of several subjects need it, that of one does not. */
export function legend(subjects: readonly { readonly index: number; readonly name: string }[]): Markup | undefined {
  if (subjects.length < 2) return undefined;
  return html`<ul class="${subjects.length > MOST_ALONG ? "legend many" : "legend"}" aria-label="What is drawn how">${subjects.map((one) => html`<li>${runMark(one)} ${one.name}</li>`)}</ul>`;
}
