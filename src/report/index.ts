export { html, Markup } from "./html.js";
export { section } from "./layout.js";
export type { LivePart } from "./page.js";
export { renderComparison } from "./renderComparison.js";
export { renderReport, renderWaiting } from "./renderReport.js";
