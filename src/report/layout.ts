import { html, type Markup } from "./html.js";

/** Size of a drawing in its own units; the page scales it to the room there is. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A small drawing with a title, drawn in the size that its neighbours leave. */
export interface Panel {
  readonly title: string;
  draw(size: Size): Markup;
}

export const WIDE: Size = { width: 860, height: 330 };
const HALF: Size = { width: 420, height: 220 };
const THIRD: Size = { width: 300, height: 210 };

/** A figure with its drawings and the caption below. */
export function figure(title: string, drawings: readonly Markup[], caption: string): Markup {
  return html`<figure><h2>${title}</h2><div class="scroll">${drawings}</div><figcaption>${caption}</figcaption></figure>`;
}

/** Panels side by side: three abreast where that fills the rows, else two. */
export function panels(list: readonly Panel[], rowLength = list.length): Markup {
  const size = list.length === 1 ? WIDE : rowLength % 3 === 0 ? THIRD : HALF;
  const cells = list.map(({ title, draw }) => html`<div class="panel"><h3>${title}</h3>${draw(size)}</div>`);
  return html`<div class="${size === THIRD ? "panels thirds" : "panels"}">${cells}</div>`;
}
