// HTML from templates, and the parts of a page: figures, sections, panels and tables.
import { formatCount } from "../../base/index.js";
import { mean, sampleDeviation } from "../statistics/summary.js";
import { NOTHING, type ResultTable } from "../tables/renderTable.js";

/** Text that is already HTML. All other values in `html` are escaped. */
export class Markup {
  constructor(readonly source: string) {}
}

type HtmlValue = string | number | Markup | readonly HtmlValue[] | undefined;

/** Template tag. Values are escaped unless they are `Markup`; lists are joined; undefined gives an empty string. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  return new Markup(parts.reduce((text, part, index) => text + toSource(values[index - 1]) + part));
}

function toSource(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.source;
  if (typeof value === "string" || typeof value === "number") return escapeHtml(String(value));
  return value.map(toSource).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe as HTML text and within quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** The size of a drawing in its own units. The page scales it to the available width. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A small drawing with a title. Its size depends on the number of panels in a row. */
export interface Panel {
  readonly title: string;
  draw(size: Size): Markup;
}

const WIDE: Size = { width: 860, height: 330 };
/** The same figure on a narrow page, on which the labels of the wide one would be too small. */
const NARROW: Size = { width: 380, height: 270 };
const HALF: Size = { width: 420, height: 230 };
const THIRD: Size = { width: 300, height: 210 };

/** With more panels than this, all of them are collapsed. */
const MOST_PANELS = 16;

export interface FigureParts {
  readonly id: string;
  readonly title: string;
  /** Its task, if the page has several. */
  readonly task?: string | undefined;
  readonly drawings: readonly (Markup | string)[];
  readonly caption: string;
  /** Its numbers as tables. */
  readonly numbers?: Markup | readonly Markup[] | undefined;
}

/** A figure: its drawings, the caption below, and its numbers for readers who can't see it. */
export function figure({ id: part, title, task, drawings, caption, numbers }: FigureParts): Markup {
  const id = task === undefined ? part : `${part}-${idOf(task)}`;
  const data = numbers && collapsed("The figure’s numbers", numbers);
  return html`<figure id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${titled(title, task)}</h2>${drawings}<figcaption>${caption}</figcaption>${data}</figure>`;
}

export const titled = (title: string, task: string | undefined): string =>
  task === undefined ? title : `${task}: ${title}`;

/** A name as part of an id. Characters that an id can't have become numbers. */
const idOf = (name: string): string =>
  Array.from(name, (character) => (/[a-z0-9-]/i.test(character) ? character : `_${character.codePointAt(0)}_`)).join(
    "",
  );

export const alert = (content: Markup | string): Markup => html`<div class="alert" role="note"><p>${content}</p></div>`;

export function section(id: string, title: string, content: readonly (Markup | string | undefined)[]): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>`;
}

/** The content about one of several tasks, collapsed under its name, because a page with all tasks open is too long. */
export const taskPart = (task: string, title: string, content: readonly (Markup | undefined)[]): Markup =>
  html`<details class="part" id="task-${idOf(task)}"><summary id="task-${idOf(task)}-title">${title}</summary>${content}</details>`;

/** One drawing in two sizes. The page shows the one that fits. */
export const fitting = (draw: (size: Size) => Markup): Markup =>
  html`<div class="wide">${draw(WIDE)}</div><div class="narrow">${draw(NARROW)}</div>`;

/** Panels side by side: three in a row if that fills the rows, else two. */
export function panels(list: readonly Panel[], rowLength = list.length): Markup {
  const [only] = list;
  if (only && list.length === 1)
    return html`<div class="panel"><h3>${only.title}</h3>${fitting((size) => only.draw(size))}</div>`;
  const size = rowLength % 3 === 0 ? THIRD : HALF;
  const cells = list.map(({ title, draw }) => html`<div class="panel"><h3>${title}</h3>${draw(size)}</div>`);
  const all = html`<div class="${size === THIRD ? "panels thirds" : "panels"}">${cells}</div>`;
  return list.length > MOST_PANELS ? collapsed(`All ${list.length} panels`, all) : all;
}

/** Collapsed content, which most readers skip. */
export const collapsed = (summary: string, content: Markup | readonly Markup[]): Markup =>
  html`<details><summary>${summary}</summary>${content}</details>`;

export { NOTHING };

/** A formatted number from a log; a dash if the value is not a finite number. */
export function formatted(value: unknown, format: (value: number) => string): string {
  return typeof value === "number" && Number.isFinite(value) ? format(value) : NOTHING;
}

/** A single value, or the mean ± the sample deviation of several values. */
export function meanAndSpread(values: readonly number[], format: (value: number) => string): string {
  const spread = sampleDeviation(values);
  return `${formatted(mean(values), format)}${spread === null ? "" : ` ± ${format(spread)}`}`;
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
export const row = (name: string | Markup, cells: readonly string[], title?: string): Markup =>
  rowOf(
    name,
    cells.map((cell) => html`<td>${cell}</td>`),
    title,
  );

/** A row of cells with their tags. @param title a tooltip */
export const rowOf = (name: string | Markup, cells: readonly Markup[], title?: string): Markup =>
  html`<tr${title === undefined ? undefined : html` title="${title}"`}><th scope="row">${name}</th>${cells}</tr>`;

export const factList = (facts: readonly (readonly [name: string | Markup, value: string | undefined])[]): Markup =>
  html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

export function short(text: string, most: number): string {
  const characters = Array.from(text);
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}

/** `1 row`, `1,200 rows`. */
export const counted = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A table of a comparison. Groups have a heading above their columns; the best value of each column is bold. */
export function comparedTable(table: ResultTable, caption: string): Markup {
  const { heading, names, apart = 0, columns, notes } = table;
  const titles = columns.map(({ title, align }) => html`<th scope="col"${leftOf(align)}>${title}</th>`);
  const body = names.map((name, place) => {
    const cells = columns.map(({ cells, align }) => {
      const { text, best } = cells[place]!;
      return html`<td${leftOf(align)}>${best ? html`<strong>${text}</strong><span class="hidden"> (best)</span>` : text}</td>`;
    });
    return rowOf(name, cells);
  });
  const content = html`<table class="figures"><caption>${caption}</caption><thead><tr><th scope="col">${heading}</th>${titles}</tr></thead><tbody>${body.slice(0, names.length - apart)}</tbody>${apart > 0 ? html`<tbody class="apart">${body.slice(-apart)}</tbody>` : undefined}</table>`;
  const hasBest = columns.some(({ cells }) => cells.some(({ best }) => best));
  const lines = [...(hasBest ? ["Bold: the best mean."] : []), ...notes];
  return html`${collapsedIfLong(caption, names.length, scrolling(caption, content))}${lines.map((note) => html`<p class="note">${note}</p>`)}`;
}

const leftOf = (align: "left" | "right"): Markup | undefined => (align === "left" ? html` class="left"` : undefined);
