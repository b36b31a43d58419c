// Optimizers and learning-rate schedules.
export type { AdamWOptions } from "./adamw.js";
export type { LionOptions } from "./lion.js";
export * from "./named.js";
export {
  clipGradNorm,
  initState,
  type Memory,
  type Optimized,
  type OptimizedForm,
  type Optimizer,
  type OptimizerState,
  SCHEDULES,
  type ScheduleName,
  type ShapeAndDtype,
  scheduleFactor,
  totalNorm,
  warmupSteps,
} from "./optimizer.js";
export { OPTIMIZERS, type OptimizerName, type OptimizerOptions } from "./optimizers.js";
export type { SgdOptions } from "./sgd.js";
