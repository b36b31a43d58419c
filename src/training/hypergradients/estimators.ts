// The estimators of the hypergradient's second term, and the table of them by name. In formulas, as in the paper, V are the lower level's
// tensors (A, B, head) and M the upper level's (the magnitudes); L_tr is the lower level's loss, L_val the upper level's.

import type { HypergradientName } from "../../tasks/config/index.js";
import * as torch from "../../torch/index.js";
import { totalNorm } from "../../torch/optim/index.js";
import { gmres, type Solution, type SolutionLimits } from "./gmres.js";

/** Products with second derivatives of the lower loss at the start of the lower step. */
export interface SecondDerivatives {
  /** ∇²_{M,V} L_tr·u. This must be the last call. */
  mixedProduct(u: readonly torch.Tensor[]): readonly torch.Tensor[];
  /** ∇²_V L_tr·u */
  hessianProduct(u: readonly torch.Tensor[]): readonly torch.Tensor[];
}

/** The start of a lower step, (V, M), on that step's batches: the input of a second-order term. */
export interface LowerPoint extends SecondDerivatives {
  /** The lower tensors before the step; the parameters already hold those after it. */
  readonly lower: readonly torch.Tensor[];
  readonly upper: readonly torch.Tensor[];
  /** ∇_V L_tr(V, M) */
  readonly lowerGradients: readonly torch.Tensor[];
  /** ∇_M L_tr(V, M), if the estimator wants it. */
  readonly upperGradients: readonly torch.Tensor[];
  /** ∇_M L_tr(V + εu, M) on the same rows with the same random numbers, constant norms kept. */
  upperGradientsAt(u: readonly torch.Tensor[], epsilon: number): readonly torch.Tensor[];
  /** Tells the user something, once in a run however often it is said. */
  note(text: string): void;
}

interface EstimatorOptions {
  /** Terms of `neumann`, iterations of `cg`. */
  readonly terms: number;
}

/** An estimator of the hypergradient's second term, ∇²_{M,V} L_tr(V, M)·u, or with the inverse Hessian between. */
export interface HypergradientEstimator {
  /** The second derivatives that it uses, if any: the lower step is recorded for them. */
  readonly secondDerivatives?: "mixed" | "hessian";
  /** Compute them from a recorded backward pass instead of tangents. */
  readonly byDoubleBackward?: boolean;
  /** The lower step's backward pass also computes the upper tensors' gradients. */
  readonly wantsUpperGradients?: boolean;
  /** The term that is subtracted from ∇_M L_val(V', M): one tensor per upper tensor. Without it, v is not computed either. */
  secondTerm?(point: LowerPoint, direction: SecondTermDirection): torch.Tensor[];
}

/** v = ∇_{V'} L_val(V', M), and how ξ weights it. */
interface SecondTermDirection {
  readonly v: readonly torch.Tensor[];
  /** The learning rates of the last lower step, after the schedule, one for each lower tensor. */
  readonly rates: readonly number[];
  /** u = ξ·v, or D∘v with D the true derivative of the optimizer's step. */
  weighted(): readonly torch.Tensor[];
}

/** The norm of the lower tensors' change by a finite difference step along u (as in the paper, after DARTS). */
const STEP_LENGTH = 0.01;

/** ε = 0.01 / ‖u‖ over all tensors together; undefined if u, and so the product, is zero. */
export function stepSize(u: readonly torch.Tensor[], length = STEP_LENGTH): number | undefined {
  const norm = totalNorm(u);
  return norm > 0 ? length / norm : undefined;
}

/** Central differences (paper, equation 8): (∇_M L_tr(V + εu) − ∇_M L_tr(V − εu)) / 2ε. Error of order ε². */
export function finiteDifference(length = STEP_LENGTH): HypergradientEstimator {
  return {
    secondTerm(point, { weighted }) {
      const u = weighted();
      return alongStep(point, u, length, (epsilon) => {
        const ahead = point.upperGradientsAt(u, epsilon);
        return quotient(ahead, point.upperGradientsAt(u, -epsilon), 2 * epsilon);
      });
    },
  };
}

/** One-sided: ∇_M L_tr(V) is a by-product of the lower step. Error of order ε. */
export function forwardDifference(length = STEP_LENGTH): HypergradientEstimator {
  return {
    wantsUpperGradients: true,
    secondTerm(point, { weighted }) {
      const u = weighted();
      return alongStep(point, u, length, (epsilon) =>
        quotient(point.upperGradientsAt(u, epsilon), point.upperGradients, epsilon),
      );
    },
  };
}

function alongStep(
  point: LowerPoint,
  u: readonly torch.Tensor[],
  length: number,
  difference: (epsilon: number) => torch.Tensor[],
): torch.Tensor[] {
  const epsilon = stepSize(u, length);
  return epsilon === undefined ? point.upper.map((m) => torch.zerosLike(m)) : difference(epsilon);
}

function quotient(a: readonly torch.Tensor[], b: readonly torch.Tensor[], divisor: number): torch.Tensor[] {
  return torch.noGrad(() => torch.foreachMulScalar(torch.foreachSub(a, b), 1 / divisor));
}

/** ∇²_{M,V} L_tr·u itself, as a derivative along u: no cancellation. */
export const exact: HypergradientEstimator = {
  secondDerivatives: "mixed",
  secondTerm: (point, { weighted }) => [...point.mixedProduct(weighted())],
};

/** The same by double backward: the reference for the other estimators. */
export const reference: HypergradientEstimator = { ...exact, byDoubleBackward: true };

// Implicit differentiation: the second term is ∇²_{M,V} L_tr · H⁻¹·v with H = ∇²_V L_tr, so H⁻¹·v takes the place of ξ·v.

/** λ of H + λI, which `cg` inverts, since away from a minimum H alone may be singular. */
export const CG_DAMPING = 1e-3;

/** Each tensor times its learning rate: ξ·v with the learning rate as ξ. */
export const timesRates = (tensors: readonly torch.Tensor[], rates: readonly number[]): torch.Tensor[] =>
  torch.noGrad(() => tensors.map((tensor, i) => torch.mulScalar(tensor, rates[i]!)));

/**
 * H⁻¹·v ≈ Σ_{k<K} (I − DH)ᵏ·D·v with D the lower learning rates (Lorraine et al. 2020 have one, α). One term is the unrolled hypergradient
 * with ξ = D. D is α times the shares of the largest, α.
 */
function neumann({ terms }: EstimatorOptions): HypergradientEstimator {
  return implicit((point, v, rates) => {
    const alpha = Math.max(...rates);
    const shares = rates.map((rate) => (alpha > 0 ? rate / alpha : 0));
    let power = timesRates(v, shares);
    let sum = [...power];
    for (let k = 1; k < terms; k++) {
      const product = timesRates(point.hessianProduct(power), shares);
      power = torch.noGrad(() => plus(power, product, -alpha));
      sum = torch.noGrad(() => torch.foreachAdd(sum, power));
    }
    return torch.noGrad(() => torch.foreachMulScalar(sum, alpha));
  });
}

/**
 * (H + λI)⁻¹·v by K iterations of conjugate gradients from zero (Rajeswaran et al. 2019). They minimize a quadratic form, which has no
 * minimum along a direction of negative curvature: there the last iterate is kept, as in truncated Newton methods.
 */
export function cg({ terms }: EstimatorOptions): HypergradientEstimator {
  return implicit((point, v) => {
    let x = v.map((tensor) => torch.zerosLike(tensor));
    let residual = [...v];
    let direction = [...v];
    let squared = inner(residual, residual);
    for (let k = 0; k < terms && squared > 0; k++) {
      const product = plus(point.hessianProduct(direction), direction, CG_DAMPING);
      const curvature = inner(direction, product);
      if (curvature <= 0) {
        point.note(NEGATIVE_CURVATURE);
        break;
      }
      const step = squared / curvature;
      x = plus(x, direction, step);
      residual = plus(residual, product, -step);
      const next = inner(residual, residual);
      direction = plus(residual, direction, next / squared);
      squared = next;
    }
    return x;
  });
}

const NEGATIVE_CURVATURE =
  "--hypergradient cg met a direction of negative curvature of the lower level's loss (p·Hp ≤ 0), as it occurs away from a minimum: conjugate gradients stop there, and the second term is that of the iterations before. --hypergradient exact does not depend on curvature.";

/**
 * The second term of the target of `neumann` and `cg`: ∇²_{M,V} L_tr·(H + λI)⁻¹·v, by as many products with H as it takes. The damping is part of
 * it, since H alone may be singular.
 * @param afterProduct runs after each product
 * @returns the second term, and how well the system is solved
 */
export async function implicitSecondTerm(
  point: SecondDerivatives,
  v: readonly torch.Tensor[],
  limits: SolutionLimits,
  afterProduct: () => Promise<void>,
): Promise<{ readonly second: readonly torch.Tensor[]; readonly solution: Solution }> {
  const product = async (x: Float64Array) => {
    const direction = tensorsOf(x, v);
    const curved = point.hessianProduct(direction);
    const numbers = numbersOf(curved).map((value, i) => value + CG_DAMPING * x[i]!);
    for (const tensor of [...direction, ...curved]) tensor.dispose();
    await afterProduct();
    return numbers;
  };
  const solution = await gmres(product, numbersOf(v), limits);
  return { second: point.mixedProduct(tensorsOf(solution.x, v)), solution };
}

export const numbersOf = (tensors: readonly torch.Tensor[]): Float64Array =>
  Float64Array.from(tensors.flatMap((tensor) => Array.from(tensor.toArray())));

/** The numbers as tensors of the forms of `likes`. */
function tensorsOf(numbers: Float64Array, likes: readonly torch.Tensor[]): torch.Tensor[] {
  let end = 0;
  return likes.map(({ shape, numel, dtype, device }) => {
    end += numel;
    return torch.tensor(numbers.subarray(end - numel, end), shape, dtype, device);
  });
}

function implicit(
  inverse: (point: LowerPoint, v: readonly torch.Tensor[], rates: readonly number[]) => torch.Tensor[],
): HypergradientEstimator {
  return {
    secondDerivatives: "hessian",
    secondTerm: (point, { v, rates }) => [...point.mixedProduct(inverse(point, v, rates))],
  };
}

/** a + factor·b */
function plus(a: readonly torch.Tensor[], b: readonly torch.Tensor[], factor: number): torch.Tensor[] {
  return torch.noGrad(() => torch.foreachAdd(a, b, { alpha: factor }));
}

function inner(a: readonly torch.Tensor[], b: readonly torch.Tensor[]): number {
  const products = () => a.map((tensor, i) => torch.sum(torch.mul(tensor, b[i]!)));
  const sums = torch.noGrad(() => torch.scope(() => torch.stack(products()).toArray()));
  return sums.reduce((sum, part) => sum + part, 0);
}

/** Creates each estimator, by name. */
export const ESTIMATORS: Readonly<Record<HypergradientName, (options: EstimatorOptions) => HypergradientEstimator>> = {
  "finite-difference": () => finiteDifference(),
  "forward-difference": () => forwardDifference(),
  exact: () => exact,
  neumann,
  cg,
  "first-order": () => ({}),
};
