export type { AdamWOptions } from "./adamw.js";
export { clipGradNorm, totalNorm } from "./clip.js";
export {
  type DecayOptions,
  initState,
  type Memory,
  type Optimized,
  type Optimizer,
  type OptimizerState,
} from "./optimizer.js";
export { OPTIMIZERS, type OptimizerName, type OptimizerOptions } from "./optimizers.js";
export { SCHEDULES, type ScheduleName, scheduleFactor } from "./schedule.js";
export type { SgdOptions } from "./sgd.js";
