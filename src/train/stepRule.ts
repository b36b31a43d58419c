import type { RuleValues } from "../files/checkpointState.js";
import type { Phase } from "../files/events.js";
import type { Tensor } from "../torch/index.js";

/** What a step tells: the fields of a `step` event that the rule knows. */
export interface StepReport {
  readonly loss: number;
  readonly upperLoss?: number;
  readonly upperPassLoss?: number;
  readonly hypergradientNorm?: number;
  readonly secondOrderShare?: number;
  readonly learningRate: number;
  readonly rows: number;
  readonly tokens: number;
  /** What the user should know of this step, said once. */
  readonly note?: string;
}

/** A rule's state beside the trained tensors themselves: enough to go on with the same bits. */
export interface RuleState {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly values: RuleValues;
}

/** How one optimiser step is done. The loop knows rules by this alone. */
export interface StepRule {
  readonly phase: Phase;
  readonly steps: number;
  /** Does one step. Throws LOSS_NOT_FINITE, before anything changed, when the loss is. */
  step(): StepReport;
  save(): RuleState;
  restore(state: RuleState): void;
}
