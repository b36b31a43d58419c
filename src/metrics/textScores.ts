import { type Metric, together } from "./metric.js";
export const textScores = (): Metric<readonly string[], string> => together();
