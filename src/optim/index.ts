export { type AdamWOptions, type AdamWState, initAdamW, type Optimized, stepAdamW } from "./adamw.js";
export { adamwDerivative } from "./adamwDerivative.js";
export { clipGradNorm, totalNorm } from "./clip.js";
export { type ScheduleName, scheduleFactor } from "./schedule.js";
