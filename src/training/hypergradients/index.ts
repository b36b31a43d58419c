export {
  compareEstimators,
  type EstimatorComparison,
  type EstimatorResult,
  type ImplicitTarget,
} from "./compareEstimators.js";
