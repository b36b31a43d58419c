import { type AdaptedModel, OrthogonalityRegularizer, type TrainedRole } from "../../../src/models/adapters/index.js";
import * as torch from "../../../src/torch/index.js";
import type { FiniteGradients } from "../../../src/training/steps/finite.js";
import { Level, type LevelOptions, type OptimizerChoice, type Update } from "../../../src/training/steps/level.js";

/** The default optimizer, without weight decay. */
export const ADAMW: OptimizerChoice & Pick<LevelOptions, "weightDecay"> = {
  optimizer: "adamw",
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  momentum: 0,
};

/** A level that records the gradients of its last update. */
export class WatchedLevel extends Level {
  readonly given = new Map<string, torch.Tensor>();

  override update(gradients: FiniteGradients): Update {
    for (const [i, { name }] of this.trained.entries()) {
      this.given.set(name, torch.keep(torch.noGrad(() => torch.clone(gradients.tensors[i]!))));
    }
    return super.update(gradients);
  }
}

export function ofRole({ trained }: AdaptedModel, role: TrainedRole) {
  return trained.filter((member) => member.role === role);
}

/** The term γ·R of the lower level. */
export function penaltyOf(adapted: AdaptedModel, gamma: number): () => torch.Tensor {
  const regularizer = new OrthogonalityRegularizer(adapted);
  return () => torch.mulScalar(regularizer.value(), gamma);
}
