import type { HypergradientName } from "../../config/index.js";
import { finiteDifference, forwardDifference } from "./differences.js";
import type { EstimatorOptions, HypergradientEstimator } from "./estimator.js";
import { exact } from "./exact.js";
import { cg, neumann } from "./implicit.js";

export { alongTapes } from "./alongTapes.js";
export { doubleBackward, gradientOfInnerProduct } from "./doubleBackward.js";
export type { HypergradientEstimator, LowerPoint, SecondDerivatives } from "./estimator.js";
export { reference } from "./exact.js";

const firstOrder: HypergradientEstimator = {
  secondDerivatives: "none",
  wantsMagnitudeGradients: false,
  isSecondOrder: false,
  secondTerm: () => [],
};

/** How each estimator is made, by name. */
export const ESTIMATORS: Readonly<Record<HypergradientName, (options: EstimatorOptions) => HypergradientEstimator>> = {
  "finite-difference": () => finiteDifference(),
  "forward-difference": () => forwardDifference(),
  exact: () => exact,
  neumann,
  cg,
  "first-order": () => firstOrder,
};
