// Reports as HTML.

export { linesOf, phaseNotes } from "./analysisLines.js";
export type { LivePart } from "./page.js";
export { methodTable, numberText } from "./slopeTables.js";
export { analysisFiles, reportPath, writeAnalysis, writeReport } from "./writeReport.js";
