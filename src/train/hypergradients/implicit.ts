// Implicit differentiation: the second term is ∇²_{M,V} L_tr · H⁻¹·v with H = ∇²_V L_tr, so ξ·v gives way to H⁻¹·v.
import * as torch from "../../torch/index.js";
import type { EstimatorOptions, HypergradientEstimator } from "./estimator.js";

/** H + λI is what `cg` inverts: away from a minimum H alone may be singular. */
export const CG_DAMPING = 1e-3;

/**
 * H⁻¹·v ≈ α·Σ_{k<K} (I − αH)ᵏ·v with α the lower learning rate (Lorraine et al. 2020). One term is the unrolled
 * hypergradient with ξ = α.
 */
export function neumann({ terms }: EstimatorOptions): HypergradientEstimator {
  return implicit((point, v, alpha) => {
    let power = [...v];
    let sum = [...v];
    for (let k = 1; k < terms; k++) {
      const product = point.hessianProduct(power);
      power = torch.noGrad(() => plus(power, product, -alpha));
      sum = torch.noGrad(() => torch.foreachAdd(sum, power));
    }
    return torch.noGrad(() => torch.foreachMulScalar(sum, alpha));
  });
}

/** (H + λI)⁻¹·v by K iterations of conjugate gradients from zero (Rajeswaran et al. 2019). */
export function cg({ terms }: EstimatorOptions): HypergradientEstimator {
  return implicit((point, v) => {
    let x = v.map((tensor) => torch.zerosLike(tensor));
    let residual = [...v];
    let direction = [...v];
    let squared = inner(residual, residual);
    for (let k = 0; k < terms && squared > 0; k++) {
      const product = plus(point.hessianProduct(direction), direction, CG_DAMPING);
      const curvature = inner(direction, product);
      if (curvature === 0) break;
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

type Inverse = (
  point: Parameters<HypergradientEstimator["secondTerm"]>[0],
  v: readonly torch.Tensor[],
  alpha: number,
) => torch.Tensor[];

function implicit(inverse: Inverse): HypergradientEstimator {
  return {
    secondDerivatives: "hessian",
    wantsMagnitudeGradients: false,
    isSecondOrder: true,
    secondTerm: (point, { v, learningRate }) => [...point.mixedProduct(inverse(point, v, learningRate))],
  };
}

/** a + factor·b */
function plus(a: readonly torch.Tensor[], b: readonly torch.Tensor[], factor: number): torch.Tensor[] {
  return torch.noGrad(() => torch.foreachAdd(a, b, { alpha: factor }));
}

function inner(a: readonly torch.Tensor[], b: readonly torch.Tensor[]): number {
  return torch.noGrad(() =>
    torch.scope(() => a.reduce((sum, tensor, i) => sum + torch.sum(torch.mul(tensor, b[i] as torch.Tensor)).item(), 0)),
  );
}
