export { renderReport } from "./renderReport.js";
export { type RunLog, readRunLog } from "./runLog.js";
