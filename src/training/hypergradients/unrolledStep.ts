// Names follow the paper: V are the directions (A, B, head), M the magnitudes, L_tr the lower level's loss.

import { type AdaptedModel, freezeNorms } from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import type { Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { twiceDifferentiable } from "../../torch/operators/index.js";
import type { ReplayableMasks } from "../loop/masks.js";
import type { Level } from "../steps/level.js";
import {
  gradientsOf,
  gradientsWithGraph,
  type Penalty,
  type StepBatches,
  type StepLoss,
  stepGradients,
} from "../steps/stepGradients.js";
import { gradientOfInnerProduct } from "./secondDerivatives.js";

/** Both levels, with the model and task of their losses. */
export interface Levels {
  readonly task: Task;
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
  /** Directions, trained on the lower rows; its schedule counts lower steps. */
  readonly lower: Level;
  /** Magnitudes, trained on the upper rows. */
  readonly upper: Level;
  readonly masks: ReplayableMasks;
  readonly ranks: Ranks;
  /** The weighted regularizer, part of the lower loss; one rank has it. */
  readonly penalty: Penalty | undefined;
}

/** The starting point of a lower step: computes derivatives at V, on its rows and with its random numbers, after the parameters hold V'. */
export class UnrolledStep {
  readonly directions: readonly torch.Tensor[];
  readonly magnitudes: readonly torch.Tensor[];
  readonly #mark: Uint8Array;
  #penaltyGradients: readonly torch.Tensor[] | undefined;

  constructor(
    readonly levels: Levels,
    readonly batches: StepBatches,
  ) {
    this.#mark = levels.masks.mark();
    this.directions = levels.lower.tensors();
    this.magnitudes = levels.upper.tensors();
  }

  /** The lower step's gradients once more, with their graph. */
  recordAgain() {
    const { directions, magnitudes, levels } = this;
    const { ranks, masks } = levels;
    const objective = { ...this.loss(), penalty: levels.penalty };
    const gradients = this.#there(() =>
      masks.replay(this.#mark, () => torch.enableGrad(() => gradientsWithGraph(ranks, objective, directions))),
    );
    return { directions, magnitudes, gradients };
  }

  /** ∇²_V R·u of the weighted regularizer. */
  penaltyHessian(u: readonly torch.Tensor[]): torch.Tensor[] | undefined {
    const { penalty } = this.levels;
    if (!penalty) return undefined;
    this.#penaltyGradients ??= this.#there(() =>
      torch.enableGrad(() => gradientsOf(twiceDifferentiable(penalty), this.directions, { createGraph: true })),
    );
    return gradientOfInnerProduct(this.#penaltyGradients, u, this.directions);
  }

  /** ∇_M L_tr(V + εu, M). Constant norms keep their values at V. The regularizer does not depend on M. */
  magnitudeGradientsAt(u: readonly torch.Tensor[], epsilon: number): readonly torch.Tensor[] {
    const { adapted, lower, masks, ranks } = this.levels;
    return this.#there(() => {
      const release = freezeNorms(adapted);
      try {
        lower.replace(torch.noGrad(() => torch.foreachAdd(this.directions, u, { alpha: epsilon })));
        return masks.replay(this.#mark, () => stepGradients(ranks, this.loss(), this.magnitudes).gradients);
      } finally {
        release();
      }
    });
  }

  /** L_tr on the step's rows, without the regularizer. */
  loss(): StepLoss {
    const { task, model, masks } = this.levels;
    return { task, model, batches: this.batches, context: masks.contextOf(task) };
  }

  /** Runs `body` with V in the parameters, which hold V' before and after. */
  #there<T>(body: () => T): T {
    const after = this.levels.lower.replace(this.directions);
    try {
      return body();
    } finally {
      this.levels.lower.replace(after);
    }
  }
}
