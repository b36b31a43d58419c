// HTML tables.
import { formatCount } from "../../base/index.js";
import { groupSpans, NOTHING, type ResultTable } from "../statistics/renderTable.js";
import { mean, sampleDeviation } from "../statistics/summary.js";
import { collapsed, html, type Markup } from "./html.js";

export { NOTHING };

/** A formatted number from a log; a dash if the value is not a finite number. */
export function number(value: unknown, format: (value: number) => string): string {
  return typeof value === "number" && Number.isFinite(value) ? format(value) : NOTHING;
}

/** A single value, or the mean ± the sample deviation of several values. */
export function meanAndSpread(values: readonly number[], format: (value: number) => string): string {
  const spread = sampleDeviation(values);
  return `${number(mean(values), format)}${spread === null ? "" : ` ± ${format(spread)}`}`;
}

interface TableOptions {
  /** `figures` are right-aligned on one line; `text` is left-aligned and wraps. */
  readonly kind?: "figures" | "text";
  /** Whether only screen readers get the caption, because a heading above says the same. */
  readonly hidesCaption?: boolean;
}

/** A table that scrolls sideways, also by keyboard. @param head a title for each column, beginning with that of the rows' names */
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

/** A table with more rows than this is collapsed. */
const MOST_ROWS = 30;

/** A table, collapsed under its caption if it is long. */
export const collapsedIfLong = (caption: string, rows: number, content: Markup): Markup =>
  rows > MOST_ROWS ? collapsed(`${caption} (${counted(rows, "row")})`, content) : content;

/** A row: its name and its cells. */
export const row = (name: string | Markup, cells: readonly (string | Markup)[]): Markup =>
  html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;

/** `1 row`, `1,200 rows`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A table of a comparison. Groups have a heading above their columns; the best value of each column is bold. */
export function comparedTable(table: ResultTable, caption: string): Markup {
  const { heading, names, columns, notes } = table;
  const hasGroups = columns.some(({ group }) => group !== "");
  const groups = groupSpans(columns).map(({ group, count }) =>
    group === "" ? html`<td colspan="${count}"></td>` : html`<th scope="colgroup" colspan="${count}">${group}</th>`,
  );
  const over = hasGroups ? html`<tr><td></td>${groups}</tr>` : undefined;
  const titles = columns.map(({ title, align }) => html`<th scope="col"${leftOf(align)}>${title}</th>`);
  const body = names.map((name, place) => {
    const cells = columns.map(({ cells, align }) => {
      const { text, best } = cells[place]!;
      return html`<td${leftOf(align)}>${best ? html`<strong>${text}</strong><span class="hidden"> (best)</span>` : text}</td>`;
    });
    return html`<tr><th scope="row">${name}</th>${cells}</tr>`;
  });
  const content = html`<table class="figures"><caption>${caption}</caption><thead>${over}<tr><th scope="col">${heading}</th>${titles}</tr></thead><tbody>${body}</tbody></table>`;
  const hasBest = columns.some(({ cells }) => cells.some(({ best }) => best));
  const lines = [...(hasBest ? ["Bold: the best mean."] : []), ...notes];
  return html`${collapsedIfLong(caption, names.length, scrolling(caption, content))}${lines.map((note) => html`<p class="note">${note}</p>`)}`;
}

const leftOf = (align: "left" | "right"): Markup | undefined => (align === "left" ? html` class="left"` : undefined);
