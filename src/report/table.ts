import { formatCount } from "../common/format.js";
import { mean, sampleDeviation } from "../compare/statistics.js";
import { html, type Markup } from "./html.js";

export const NOTHING = "–";

/** Logs are read as they are: what is no finite number there shows as nothing. */
export function number(value: unknown, format: (value: number) => string): string {
  return typeof value === "number" && Number.isFinite(value) ? format(value) : NOTHING;
}

/** A value, or the mean ± the sample deviation of several; nothing of none. */
export function meanAndSpread(values: readonly number[], format: (value: number) => string): string {
  const spread = sampleDeviation(values);
  return `${number(mean(values), format)}${spread === null ? "" : ` ± ${format(spread)}`}`;
}

export interface TableOptions {
  /** `figures` to the right on one line, `text` to the left and broken. */
  readonly kind?: "figures" | "text";
  /** Whether the caption is there for screen readers alone, as a heading above says the same. */
  readonly hidesCaption?: boolean;
}

/** A table that can be scrolled sideways, by keyboard too. @param head a title a column, that of the rows' names first */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly Markup[],
  { kind = "figures", hidesCaption = false }: TableOptions = {},
): Markup {
  const titles = head.map((title) => (title === "" ? html`<td></td>` : html`<th scope="col">${title}</th>`));
  const body = html`<thead><tr>${titles}</tr></thead><tbody>${rows}</tbody>`;
  return scrolling(
    caption,
    html`<table class="${kind}"><caption${hidesCaption ? html` class="hidden"` : ""}>${caption}</caption>${body}</table>`,
  );
}

export const scrolling = (label: string, content: Markup): Markup =>
  html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">${content}</div>`;

/** Rows of a table that stand open; a longer one is folded up. */
const MOST_ROWS = 30;

/** A table, folded up under its caption where it is long. */
export const foldedIfLong = (caption: string, rows: number, content: Markup): Markup =>
  rows > MOST_ROWS ? folded(`${caption} (${counted(rows, "row")})`, content) : content;

/** A row: its name, and its cells. */
export const row = (name: string | Markup, cells: readonly (string | Markup)[]): Markup =>
  html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;

/** What most readers pass over. */
export const folded = (summary: string, content: Markup | readonly Markup[]): Markup =>
  html`<details><summary>${summary}</summary>${content}</details>`;

/** `1 row`, `1,200 rows`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
