import { html, type Markup } from "./html.js";
import { runColour, runDash } from "./palette.js";
import type { Run } from "./runs.js";

/** The stroke that a run's curves are drawn with. */
export function runMark({ index }: Run): Markup {
  return html`<svg class="mark" viewBox="0 0 22 8" width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke="${runColour(index)}" stroke-width="3" stroke-dasharray="${runDash(index)}"/></svg>`;
}

/** Which curve is whose; the figures of several runs need it, that of one does not. */
export function legend(runs: readonly Run[]): Markup | undefined {
  if (runs.length < 2) return undefined;
  return html`<ul class="legend" aria-label="Runs">${runs.map((run) => html`<li>${runMark(run)} ${run.name}</li>`)}</ul>`;
}
