import type { Phase, PlainState, RuleValues, StepEvent } from "../../base/records/index.js";
import type { FinishedStep, TrainedTensor, TrainingHooks } from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import type { Task } from "../../tasks/index.js";
import type { Ranks, Tensor } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import type { BatchSource } from "../loop/batches.js";
import type { ReplayableMasks } from "../loop/masks.js";
import type { Penalty } from "./batchGradients.js";
import { checkGradients } from "./finite.js";
import type { Level } from "./level.js";
import type { LossScale } from "./lossScale.js";
import type { SourceWeights } from "./sourceWeights.js";
import type { StartOutputs } from "./startOutputs.js";
import { stepGradients } from "./stepGradients.js";
import { StepMetrics } from "./stepMetrics.js";
import { takeBatches } from "./takeBatches.js";
import { hookMemory, restoreTensors } from "./trainedTensors.js";

/** The result of a step: the fields of a `step` event that the rule knows. */
export type StepReport = Omit<StepEvent, "event" | "time" | "phase" | "step" | "seconds">;

/** A rule's state without the trained tensors: enough to resume with the same bits. */
export interface RuleState {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly values: RuleValues;
}

/** One optimizer step. The loop knows nothing else of a rule. */
export interface StepRule {
  readonly phase: Phase;
  readonly steps: number;
  readonly trained: readonly TrainedTensor[];
  /** Whether a step had a learning rate above 0. */
  readonly hasMoved: boolean;
  /** Whether a step has followed the warm-up, and each row that is trained on has had its turn. */
  readonly isSettled: boolean;
  /**
   * Does one step.
   * @throws BidoraError `LOSS_NOT_FINITE` before anything changes
   * @throws GradientOverflow if the loss's scale was too large, and is now lower; nothing else has changed
   */
  step(): StepReport;
  save(): RuleState;
  restore(state: RuleState): void;
}

/** Lets a method change tensors after an optimizer step. @param gradients clipped, in the order of the trained tensors */
export function runAfterStep(
  hooks: TrainingHooks | undefined,
  trained: readonly TrainedTensor[],
  gradients: readonly Tensor[],
  at: Pick<FinishedStep, "step" | "steps">,
): void {
  if (!hooks?.afterStep) return;
  const named = trained.map(({ name }, i) => [name, gradients[i]!] as const);
  torch.noGrad(() => torch.scope(() => hooks.afterStep?.({ ...at, gradients: new Map(named) })));
}

export interface PlainRuleOptions {
  readonly phase: Phase;
  readonly task: Task;
  readonly model: TaskModel;
  readonly level: Level;
  readonly batches: BatchSource;
  readonly masks: ReplayableMasks;
  readonly ranks: Ranks;
  readonly gradientAccumulation: number;
  /** Weights of the rows by their sources. */
  readonly sourceWeights?: SourceWeights | undefined;
  /** A term added to every step's loss: BiDoRA's weighted regularizer, or the adapter method's penalty. */
  readonly penalty: Penalty | undefined;
  /** Of a task that compares with the model before training. */
  readonly startOutputs?: StartOutputs | undefined;
  /** Scales the loss, in float16. */
  readonly lossScale?: LossScale | undefined;
  /** The adapter method's additions to training. */
  readonly hooks?: TrainingHooks | undefined;
}

/** Training on one level: the gradient of the mean loss over the accumulated batches, and one optimizer step. */
export class PlainRule implements StepRule {
  constructor(readonly options: PlainRuleOptions) {}

  get phase(): Phase {
    return this.options.phase;
  }

  get trained(): readonly TrainedTensor[] {
    return this.options.level.trained;
  }

  get steps(): number {
    return this.options.level.options.steps;
  }

  get hasMoved(): boolean {
    return this.options.level.hasMoved;
  }

  get isSettled(): boolean {
    const { level, batches } = this.options;
    return level.isPastWarmup && batches.state.pass > 0;
  }

  step(): StepReport {
    const { task, model, level, masks, ranks, penalty, lossScale, sourceWeights } = this.options;
    const batches = takeBatches(this.options, this.options.batches, this.options.gradientAccumulation);
    const metrics = task.stepMetrics && new StepMetrics(task, batches);
    const onOutputs = metrics?.add.bind(metrics);
    const objective = {
      ranks,
      task,
      model,
      batches,
      context: masks.contextOf(task),
      penalty,
      sourceWeights,
      onOutputs,
    };
    const { loss, gradients } = stepGradients(objective, level.tensors(), { scale: lossScale?.scale });
    const check = () => checkGradients(gradients);
    const update = level.update(lossScale ? lossScale.guard(check) : check());
    lossScale?.update(true);
    runAfterStep(this.options.hooks, level.trained, update.gradients, { step: level.stepsDone, steps: this.steps });
    const { learningRate } = update;
    const reported = metrics && { metrics: metrics.result(ranks) };
    return { loss, learningRate, rows: batches.rows, tokens: batches.tokens, ...reported };
  }

  save(): RuleState {
    const { level, batches, hooks, lossScale, startOutputs } = this.options;
    const { steps, tensors } = level.save();
    return {
      tensors: new Map([...tensors, ...hookMemory(hooks), ...(startOutputs?.save() ?? [])]),
      values: { steps, batches: { ...batches.state }, ...(lossScale && { lossScale: lossScale.state }) },
    };
  }

  restore({ tensors, values }: RuleState): void {
    const { steps, batches, lossScale } = values as PlainState;
    const { level, hooks } = this.options;
    level.restore(steps, tensors);
    restoreTensors(hookMemory(hooks), tensors);
    this.options.startOutputs?.restore(tensors);
    this.options.batches.restore(batches);
    if (lossScale) this.options.lossScale?.restore(lossScale);
  }
}
