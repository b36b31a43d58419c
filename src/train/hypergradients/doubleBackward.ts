import * as torch from "../../torch/index.js";
import type { SecondDerivatives } from "./estimator.js";

/** A lower step's gradients with their graph, which can be differentiated again. */
export interface RecordedGradients {
  readonly directions: readonly torch.Tensor[];
  readonly magnitudes: readonly torch.Tensor[];
  /** ∇_V L_tr(V, M) */
  readonly gradients: readonly torch.Tensor[];
}

/**
 * Products with second derivatives of L_tr as ∇⟨∇_V L_tr, u⟩: one more backward pass through a backward pass. It serves every
 * loss whose operators have a second derivative, at the price of a recorded step.
 * @param record makes the recorded pass, when it is first asked for
 */
export function doubleBackward(record: () => RecordedGradients): SecondDerivatives {
  let made: RecordedGradients | undefined;
  const recorded = () => (made ??= record());
  return {
    mixedProduct: (u) => gradientOfInnerProduct(recorded().gradients, u, recorded().magnitudes),
    hessianProduct: (u) => gradientOfInnerProduct(recorded().gradients, u, recorded().directions),
  };
}

/** ∇_x ⟨gradients, u⟩ with u a constant: a vector-Jacobian product through the recorded backward pass. */
export function gradientOfInnerProduct(
  gradients: readonly torch.Tensor[],
  u: readonly torch.Tensor[],
  inputs: readonly torch.Tensor[],
): torch.Tensor[] {
  const outputs = gradients
    .map((gradient, i) => [gradient, u[i] as torch.Tensor] as const)
    .filter(([gradient]) => gradient.requiresGrad);
  if (outputs.length === 0) return inputs.map((input) => torch.zerosLike(input));
  const products = torch.grad(
    outputs.map(([gradient]) => gradient),
    inputs,
    { gradOutputs: outputs.map(([, weight]) => weight), retainGraph: true, allowUnused: true },
  );
  return products.map((product, i) => product ?? torch.zerosLike(inputs[i] as torch.Tensor));
}
