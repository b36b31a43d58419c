// Shared by the figures: a document for drawing without a browser, colors, and the file's opening tag.
import { parseHTML } from "linkedom";

export const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** Okabe and Ito's colors, in shades that stand out on white and on black; the last is for the rest. */
export const COLORS = ["#3a8fd0", "#d5702b", "#1fa37a", "#b8609a", "#c9a227", "#6f6fc4", "#8c8c8c"];

/** A plot's SVG as a standalone file, with a description for screen readers. */
export function standalone(svg: string, description: string): string {
  const opening = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${description}" `;
  return `${svg.replace(' xmlns="http://www.w3.org/2000/svg"', "").replace("<svg ", () => opening)}\n`;
}
