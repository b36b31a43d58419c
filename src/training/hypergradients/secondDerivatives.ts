import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { NoTangent, type TangentTape } from "../../torch/tangents/index.js";
import type { SecondDerivatives } from "./estimators.js";

/** A lower step's recorded passes, one for each of its batches. */
interface Tapes {
  readonly tapes: readonly TangentTape[];
  /** The tensors whose gradients the tapes differentiate: those of the lower level (or none) and of the upper one. */
  readonly lower: readonly torch.Tensor[];
  readonly upper: readonly torch.Tensor[];
  /** ∇²_V R·u of the regularizer, which no tape contains. */
  penaltyHessian(u: readonly torch.Tensor[]): readonly torch.Tensor[] | undefined;
  /** The replacement once an operator has no tangent. */
  otherwise(operator: string): SecondDerivatives;
}

/** Products with second derivatives of the lower loss as d/dε of its gradients at V + εu: forward over reverse. */
export function alongTapes({ tapes, lower, upper, penaltyHessian, otherwise }: Tapes): SecondDerivatives {
  const wanted = [...lower, ...upper];
  let instead: SecondDerivatives | undefined;
  const along = (u: readonly torch.Tensor[], isLast = false): readonly torch.Tensor[] =>
    torch.noGrad(() => {
      const [first, ...others] = tapes.map((tape) => tape.gradientsAlong(u, isLast));
      if (!first) return wanted.map((tensor) => torch.zerosLike(tensor));
      return others.reduce((sum, part) => torch.foreachAdd(sum, part), first);
    });
  const product = <T>(byTapes: () => T, other: (instead: SecondDerivatives) => T): T => {
    if (instead) return other(instead);
    try {
      return byTapes();
    } catch (error) {
      if (!(error instanceof NoTangent)) throw error;
      instead = otherwise(error.operator);
      return other(instead);
    }
  };
  return {
    mixedProduct: (u) =>
      product(
        () => along(u, true).slice(lower.length),
        (others) => others.mixedProduct(u),
      ),
    hessianProduct: (u) =>
      product(
        () => {
          const ofLoss = along(u).slice(0, lower.length);
          const ofPenalty = penaltyHessian(u);
          return ofPenalty ? torch.noGrad(() => torch.foreachAdd(ofLoss, ofPenalty)) : ofLoss;
        },
        (others) => others.hessianProduct(u),
      ),
  };
}

/** Products of the whole loss, from those of each rank's part of it. */
export function overRanks(ranks: Ranks, { mixedProduct, hessianProduct }: SecondDerivatives): SecondDerivatives {
  return {
    mixedProduct: (u) => ranks.sum(mixedProduct(u)),
    hessianProduct: (u) => ranks.sum(hessianProduct(u)),
  };
}

/** A lower step's gradients with their graph, which can be differentiated again. */
interface RecordedGradients {
  readonly lower: readonly torch.Tensor[];
  readonly upper: readonly torch.Tensor[];
  /** ∇_V L_tr(V, M) */
  readonly gradients: readonly torch.Tensor[];
}

/**
 * Products with second derivatives of the lower loss as ∇⟨∇_V L_tr, u⟩: one more backward pass through a backward pass. It works for every
 * loss whose operators have a second derivative, and costs a recorded step.
 * @param record makes the recorded pass at the first use
 */
export function doubleBackward(record: () => RecordedGradients): SecondDerivatives {
  let made: RecordedGradients | undefined;
  const recorded = () => (made ??= record());
  return {
    mixedProduct: (u) => gradientOfInnerProduct(recorded().gradients, u, recorded().upper),
    hessianProduct: (u) => gradientOfInnerProduct(recorded().gradients, u, recorded().lower),
  };
}

/** ∇_x ⟨gradients, u⟩ with u a constant: a vector-Jacobian product through the recorded backward pass. */
export function gradientOfInnerProduct(
  gradients: readonly torch.Tensor[],
  u: readonly torch.Tensor[],
  inputs: readonly torch.Tensor[],
): torch.Tensor[] {
  const outputs = gradients
    .map((gradient, i) => [gradient, u[i]!] as const)
    .filter(([gradient]) => gradient.requiresGrad);
  if (outputs.length === 0) return inputs.map((input) => torch.zerosLike(input));
  const products = torch.grad(
    outputs.map(([gradient]) => gradient),
    inputs,
    { gradOutputs: outputs.map(([, weight]) => weight), retainGraph: true, allowUnused: true },
  );
  return products.map((product, i) => product ?? torch.zerosLike(inputs[i]!));
}
