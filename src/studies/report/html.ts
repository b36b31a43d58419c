// HTML from templates, and the parts of a page: figures, sections and panels.
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
  /** Its id in the page. */
  readonly id: string;
  readonly title: string;
  /** Its task, if the page has several. */
  readonly task?: string | undefined;
  readonly drawings: readonly (Markup | string)[];
  readonly caption: string;
  /** Its numbers as a table. */
  readonly data?: Markup | readonly Markup[] | undefined;
}

/** A figure: its drawings, the caption below, and its numbers for readers who can't see it. */
export function figure({ id: part, title, task, drawings, caption, data }: FigureParts): Markup {
  const id = task === undefined ? part : `${part}-${idOf(task)}`;
  return html`<figure id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${titled(title, task)}</h2>${drawings}<figcaption>${caption}</figcaption>${data}</figure>`;
}

/** A title with the task's name, if there are several tasks. */
export const titled = (title: string, task: string | undefined): string =>
  task === undefined ? title : `${task}: ${title}`;

/** A name as part of an id. Characters that an id can't have become numbers. */
const idOf = (name: string): string =>
  Array.from(name, (character) => (/[a-z0-9-]/i.test(character) ? character : `_${character.codePointAt(0)}_`)).join(
    "",
  );

/** A section with a heading. */
export function section(id: string, title: string, content: readonly (Markup | string | undefined)[]): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>`;
}

/** The content about one of several tasks, collapsed under its name, because a page with all tasks open is too long. */
export const taskPart = (task: string, title: string, content: readonly (Markup | undefined)[]): Markup =>
  html`<details class="part" id="task-${idOf(task)}"><summary id="task-${idOf(task)}-title">${title}</summary>${content}</details>`;

/** One drawing in two sizes. The page shows the one that fits. */
export const fitting = (draw: (size: Size) => Markup, size: Size = WIDE): Markup =>
  html`<div class="wide">${draw(size)}</div><div class="narrow">${draw(NARROW)}</div>`;

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
