/** What a run's settings depend on in an estimator of the hypergradient. How it is computed stands in train/hypergradients. */
interface EstimatorFacts {
  /** Its second term has the step size ξ. */
  readonly usesXi: boolean;
  /** It is a series or an iteration, and has so many terms. */
  readonly usesTerms: boolean;
  /** It divides a small difference of two gradients, of which coarse numbers leave little. */
  readonly isDifference: boolean;
}

/** Every estimator by name (see docs/method.md). */
export const ESTIMATOR_FACTS = {
  "finite-difference": { usesXi: true, usesTerms: false, isDifference: true },
  "forward-difference": { usesXi: true, usesTerms: false, isDifference: true },
  exact: { usesXi: true, usesTerms: false, isDifference: false },
  neumann: { usesXi: false, usesTerms: true, isDifference: false },
  cg: { usesXi: false, usesTerms: true, isDifference: false },
  "first-order": { usesXi: false, usesTerms: false, isDifference: false },
} satisfies Readonly<Record<string, EstimatorFacts>>;

/** The name of an estimator. */
export type HypergradientName = keyof typeof ESTIMATOR_FACTS;

export const estimatorNames = Object.keys(ESTIMATOR_FACTS) as [HypergradientName, ...HypergradientName[]];

/** The estimators of which a fact holds. */
export function estimatorsWith(fact: keyof EstimatorFacts): HypergradientName[] {
  return estimatorNames.filter((name) => ESTIMATOR_FACTS[name][fact]);
}

/** Whether an estimator loses its digits where the model computes in `dtype`. */
export function isTooCoarse(name: HypergradientName, dtype: string): boolean {
  return dtype === "bfloat16" && ESTIMATOR_FACTS[name].isDifference;
}
