export { clipGradNorm, totalNorm } from "./clip.js";
export { initState, type Optimized, type Optimizer, type OptimizerState } from "./optimizer.js";
export { OPTIMIZERS, type OptimizerName, type OptimizerOptions } from "./optimizers.js";
export { SCHEDULES, type ScheduleName, scheduleFactor } from "./schedule.js";
