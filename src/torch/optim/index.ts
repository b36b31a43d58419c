// Optimizers and learning-rate schedules.
export { adafactor } from "./adafactor.js";
export { type AdamWOptions, adamw } from "./adamw.js";
export { adamw8bit } from "./adamw8bit.js";
export {
  clipGradNorm,
  type DecayOptions,
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
export { type SgdOptions, sgd } from "./sgd.js";
