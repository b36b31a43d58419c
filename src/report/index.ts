// Reports as HTML.
export { html, Markup, section } from "./html.js";
export type { LivePart } from "./page.js";
export { renderComparison } from "./renderComparison.js";
export { renderReport, renderWaiting } from "./renderReport.js";
