import * as torch from "../../torch/index.js";
import type { HypergradientEstimator, LowerPoint } from "./estimator.js";

/** ∇²_{M,V} L_tr·u as ∇_M ⟨∇_V L_tr, u⟩: one more backward pass through the lower step's own. No cancellation. */
export const exact: HypergradientEstimator = {
  keepsGraph: true,
  wantsMagnitudeGradients: false,
  isSecondOrder: true,
  secondTerm: (point, { weighted }) => mixedProduct(point, weighted, false),
};

/** ∇²_{M,V} L_tr(V, M)·u. */
export function mixedProduct(point: LowerPoint, u: readonly torch.Tensor[], retainGraph: boolean): torch.Tensor[] {
  return gradientOfInnerProduct(point, u, point.magnitudes, retainGraph);
}

/** ∇²_V L_tr(V, M)·u. */
export function hessianProduct(point: LowerPoint, u: readonly torch.Tensor[]): torch.Tensor[] {
  return gradientOfInnerProduct(point, u, point.directions, true);
}

/** ∇_x ⟨∇_V L_tr, u⟩ with u a constant: a vector-Jacobian product through the recorded backward pass. */
function gradientOfInnerProduct(
  point: LowerPoint,
  u: readonly torch.Tensor[],
  inputs: readonly torch.Tensor[],
  retainGraph: boolean,
): torch.Tensor[] {
  const outputs = point.directionGradients
    .map((gradient, i) => [gradient, u[i] as torch.Tensor] as const)
    .filter(([gradient]) => gradient.requiresGrad);
  if (outputs.length === 0) return inputs.map((input) => torch.zerosLike(input));
  const gradients = torch.grad(
    outputs.map(([gradient]) => gradient),
    inputs,
    { gradOutputs: outputs.map(([, weight]) => weight), retainGraph, allowUnused: true },
  );
  return gradients.map((gradient, i) => gradient ?? torch.zerosLike(inputs[i] as torch.Tensor));
}
