// Names follow the paper: V are the directions (A, B, head), M the magnitudes, L_tr the lower level's loss.
import type { Tensor } from "../../torch/index.js";

/** Products with second derivatives of L_tr at (V, M). */
export interface SecondDerivatives {
  /** ∇²_{M,V} L_tr·u, the last that is asked for. */
  mixedProduct(u: readonly Tensor[]): readonly Tensor[];
  /** ∇²_V L_tr·u */
  hessianProduct(u: readonly Tensor[]): readonly Tensor[];
}

/** The lower level at V, before its step, on that step's batches: what a second-order term is computed from. */
export interface LowerPoint extends SecondDerivatives {
  /** The tensors V themselves, in whose stead the parameters hold V' by now. */
  readonly directions: readonly Tensor[];
  readonly magnitudes: readonly Tensor[];
  /** ∇_V L_tr(V, M) */
  readonly directionGradients: readonly Tensor[];
  /** ∇_M L_tr(V, M), when the estimator asked for it. */
  readonly magnitudeGradients: readonly Tensor[];
  /** ∇_M L_tr(V + εu, M) on the same rows with the same random numbers, norms held where they are constants. */
  magnitudeGradientsAt(u: readonly Tensor[], epsilon: number): readonly Tensor[];
}

export interface EstimatorOptions {
  /** Terms of `neumann`, iterations of `cg`. */
  readonly terms: number;
}

/**
 * An estimator of the hypergradient's second term, ∇²_{M,V} L_tr(V, M)·u, or with the inverse Hessian between.
 * `weighted` is u = ξ·v, or D∘v with the true derivative of the optimiser's step.
 */
export interface HypergradientEstimator {
  /** What is asked of the second derivatives: the lower step is recorded for it. */
  readonly secondDerivatives: "none" | "mixed" | "hessian";
  /** They come from a recorded backward pass in place of tangents. */
  readonly byDoubleBackward?: boolean;
  /** ∇_M L_tr(V) is taken along in the lower step's backward pass. */
  readonly wantsMagnitudeGradients: boolean;
  /** False: the second term is left out, and v is not even computed. */
  readonly isSecondOrder: boolean;
  /** What is subtracted from ∇_M L_val(V', M): one tensor a magnitude. */
  secondTerm(point: LowerPoint, direction: SecondTermDirection): Tensor[];
}

/** v = ∇_{V'} L_val(V', M), and how ξ weights it. */
export interface SecondTermDirection {
  readonly v: readonly Tensor[];
  /** Of the lower step just taken, schedule included. */
  readonly learningRate: number;
  /** ξ·v, or D∘v. */
  readonly weighted: readonly Tensor[];
}
