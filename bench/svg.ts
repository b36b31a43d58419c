// What the figures have in common: a document to draw in without a browser, colours, and the file's opening.
import { parseHTML } from "linkedom";

export const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** Okabe and Ito's colours, in shades that stand out on white and on black; the last is for what is left over. */
export const COLOURS = ["#3a8fd0", "#d5702b", "#1fa37a", "#b8609a", "#c9a227", "#6f6fc4", "#8c8c8c"];

/** A plot's SVG as a file of its own, with words for those who can't see it. */
export function standalone(svg: string, description: string): string {
  const opening = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${description}" `;
  return `${svg.replace(' xmlns="http://www.w3.org/2000/svg"', "").replace("<svg ", () => opening)}\n`;
}
