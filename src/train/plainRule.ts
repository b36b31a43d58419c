import type { TaskModel } from "../models/index.js";
import type { Task } from "../tasks/index.js";
import type * as torch from "../torch/index.js";
import { stepGradients, takeBatches } from "./accumulation.js";
import type { BatchStream } from "./batches.js";
import type { Phase } from "./events.js";
import { checkGradients } from "./gradients.js";
import type { Level } from "./level.js";
import type { ReplayableMasks } from "./masks.js";
import type { PlainState } from "./ruleStates.js";
import type { RuleState, StepReport, StepRule } from "./stepRule.js";

export interface PlainRuleOptions {
  readonly phase: Phase;
  readonly task: Task;
  readonly model: TaskModel;
  readonly level: Level;
  readonly batches: BatchStream;
  readonly masks: ReplayableMasks;
  readonly gradientAccumulation: number;
  /** A term added to every step's loss: BiDoRA's weighted regulariser. */
  readonly penalty: (() => torch.Tensor) | undefined;
}

/** One level: the gradient of the mean training loss over the accumulated batches, and one optimiser step. */
export class PlainRule implements StepRule {
  constructor(readonly options: PlainRuleOptions) {}

  get phase(): Phase {
    return this.options.phase;
  }

  get steps(): number {
    return this.options.level.options.steps;
  }

  step(): StepReport {
    const { task, model, level, masks, penalty } = this.options;
    const batches = takeBatches(task, this.options.batches, this.options.gradientAccumulation);
    const { loss, gradients } = stepGradients(
      { task, model, batches, context: () => masks.training(), penalty },
      level.tensors(),
    );
    const { learningRate } = level.update(checkGradients(gradients));
    return { loss, learningRate, rows: batches.rows, tokens: batches.tokens };
  }

  save(): RuleState {
    const { steps, tensors } = this.options.level.save();
    return { tensors, values: { steps, batches: { ...this.options.batches.state } } };
  }

  restore({ tensors, values }: RuleState): void {
    const { steps, batches } = values as PlainState;
    this.options.level.restore(steps, tensors);
    this.options.batches.restore(batches);
  }
}
