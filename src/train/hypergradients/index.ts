import { finiteDifference, forwardDifference } from "./differences.js";
import type { EstimatorOptions, HypergradientEstimator, HypergradientName } from "./estimator.js";
import { exact } from "./exact.js";
import { cg, neumann } from "./implicit.js";

export type { HypergradientEstimator, HypergradientName, LowerPoint } from "./estimator.js";
export { isTooCoarse } from "./precision.js";

const firstOrder: HypergradientEstimator = {
  keepsGraph: false,
  wantsMagnitudeGradients: false,
  isSecondOrder: false,
  secondTerm: () => [],
};

/** The estimators by name (see the method's table in docs/method.md). */
export const ESTIMATORS: Readonly<Record<HypergradientName, (options: EstimatorOptions) => HypergradientEstimator>> = {
  "finite-difference": () => finiteDifference(),
  "forward-difference": () => forwardDifference(),
  exact: () => exact,
  neumann,
  cg,
  "first-order": () => firstOrder,
};
