export { estimateRun } from "./estimateRun.js";
export type { Estimate } from "./measureRun.js";
