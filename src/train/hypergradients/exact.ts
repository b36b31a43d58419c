import type { HypergradientEstimator } from "./estimator.js";

/** ∇²_{M,V} L_tr·u itself, as a derivative along u: no cancellation. */
export const exact: HypergradientEstimator = {
  secondDerivatives: "mixed",
  wantsMagnitudeGradients: false,
  isSecondOrder: true,
  secondTerm: (point, { weighted }) => [...point.mixedProduct(weighted)],
};

/** The same by another way, which others are measured against. */
export const reference: HypergradientEstimator = { ...exact, byDoubleBackward: true };
