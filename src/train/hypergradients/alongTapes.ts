import { NoTangent, type TangentTape } from "../../tangents/index.js";
import * as torch from "../../torch/index.js";
import type { SecondDerivatives } from "./estimator.js";

/** A lower step's recorded passes, one for each of its batches. */
export interface Tapes {
  readonly tapes: readonly TangentTape[];
  /** Those whose gradients' derivatives the tapes give: the directions too, or the magnitudes alone. */
  readonly directions: readonly torch.Tensor[];
  readonly magnitudes: readonly torch.Tensor[];
  /** ∇²_V R·u of the regulariser, which no tape has. */
  penaltyHessian(u: readonly torch.Tensor[]): readonly torch.Tensor[] | undefined;
  /** In whose stead, once an operator has no tangent. */
  otherwise(operator: string): SecondDerivatives;
}

/** Products with second derivatives of L_tr as d/dε of its gradients at V + εu: forward over reverse. */
export function alongTapes({ tapes, directions, magnitudes, penaltyHessian, otherwise }: Tapes): SecondDerivatives {
  const wanted = [...directions, ...magnitudes];
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
        () => along(u, true).slice(directions.length),
        (others) => others.mixedProduct(u),
      ),
    hessianProduct: (u) =>
      product(
        () => {
          const ofLoss = along(u).slice(0, directions.length);
          const ofPenalty = penaltyHessian(u);
          return ofPenalty ? torch.noGrad(() => torch.foreachAdd(ofLoss, ofPenalty)) : ofLoss;
        },
        (others) => others.hessianProduct(u),
      ),
  };
}
