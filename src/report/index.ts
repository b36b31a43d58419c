export { type ComparisonLog, readComparison } from "./comparisonFile.js";
export { renderComparison } from "./renderComparison.js";
export { renderReport } from "./renderReport.js";
export { type RunLog, readRun, readRunLog } from "./runLog.js";
