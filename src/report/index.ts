export { renderReport } from "./renderReport.js";
export { type RunLog, readRun, readRunLog } from "./runLog.js";
