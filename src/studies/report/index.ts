// Reports as HTML.

export { linesOf, phaseNotes } from "./analysisLines.js";
export type { LivePart } from "./page.js";
export { reportPath, writeReport } from "./writeReport.js";
