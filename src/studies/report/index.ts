// Reports as HTML.

export { linesOf, phaseNotes } from "./analysisLines.js";
export { collapsed, counted, html, Markup, row, short, table } from "./html.js";
export { type LivePart, style } from "./page.js";
export { comparisonScores, runFigures } from "./parts.js";
export { type WrongRow, wrongRows } from "./rowSections.js";
export { methodTable, numberText } from "./slopeTables.js";
export { analysisFiles, reportPath, writeAnalysis, writeReport } from "./writeReport.js";
