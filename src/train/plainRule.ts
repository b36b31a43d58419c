import type { Batch } from "../data/index.js";
import type { TaskModel } from "../models/index.js";
import { totalNorm } from "../optim/index.js";
import * as torch from "../torch/index.js";
import type { BatchStream } from "./batches.js";
import type { Phase } from "./events.js";
import type { Level } from "./level.js";
import { finiteLoss } from "./lossNotFinite.js";
import type { ReplayableMasks } from "./masks.js";
import { batchLoss } from "./objective.js";
import type { RuleState, StepReport, StepRule } from "./stepRule.js";

export interface PlainRuleOptions {
  readonly phase: Phase;
  readonly model: TaskModel;
  readonly level: Level;
  readonly batches: BatchStream;
  readonly masks: ReplayableMasks;
  readonly gradientAccumulation: number;
  /** A term added to every batch's loss: BiDoRA's weighted regulariser. */
  readonly penalty: (() => torch.Tensor) | undefined;
}

/** One level: the gradient of the training loss, averaged over the accumulated batches, and one optimiser step. */
export class PlainRule implements StepRule {
  constructor(readonly options: PlainRuleOptions) {}

  get phase(): Phase {
    return this.options.phase;
  }

  get steps(): number {
    return this.options.level.options.steps;
  }

  step(): StepReport {
    const { level, batches, gradientAccumulation: count } = this.options;
    const taken = Array.from({ length: count }, () => batches.next());
    let sum: torch.Tensor[] | undefined;
    let loss = 0;
    for (const batch of taken) {
      const part = torch.scope(() => this.#batchGradients(batch, count));
      loss += part.loss / count;
      if (sum) torch.noGrad(() => torch.foreachAdd_(sum as torch.Tensor[], part.gradients));
      else sum = part.gradients;
    }
    finiteLoss(totalNorm(sum ?? []), "gradient's norm");
    const { learningRate } = level.update(sum ?? []);
    return {
      loss,
      learningRate,
      rows: total(taken, (batch) => batch.rows),
      tokens: total(taken, (batch) => batch.ids.length),
    };
  }

  #batchGradients(batch: Batch, count: number): { loss: number; gradients: torch.Tensor[] } {
    const { model, level, masks, penalty } = this.options;
    const data = batchLoss(model, batch, masks.training());
    const loss = finiteLoss(data.item());
    const whole = penalty ? torch.add(data, penalty()) : data;
    return { loss, gradients: level.gradients(count === 1 ? whole : torch.divScalar(whole, count)) };
  }

  save(): RuleState {
    const { steps, tensors } = this.options.level.save();
    return { tensors, values: { steps, batches: { ...this.options.batches.state } } };
  }

  restore({ tensors, values }: RuleState): void {
    const { steps, batches } = values as { steps: number; batches: { pass: number; index: number } };
    this.options.level.restore(steps, tensors);
    this.options.batches.restore(batches);
  }
}

function total(batches: readonly Batch[], count: (batch: Batch) => number): number {
  return batches.reduce((sum, batch) => sum + count(batch), 0);
}
