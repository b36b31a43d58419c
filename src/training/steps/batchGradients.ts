// A rank's part of a step's gradients: those of its own rows, one batch at a time, added up over the batches of the step.

import { BidoraError } from "../../base/index.js";
import type { TaskModel } from "../../models/index.js";
import type { ForwardContext } from "../../models/nn/index.js";
import { type Batch, lossWeight, type Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { type RecordOptions, recordForward, type TangentTape } from "../../torch/tangents/index.js";
import { meetingOf } from "../ranks/meeting.js";
import type { BatchShare } from "../ranks/shares.js";
import { MiniBatches } from "./gradientCache.js";
import { scaled } from "./lossScale.js";
import type { SourceWeights } from "./sourceWeights.js";

/** The batches of one gradient. Numbers are those of the whole batches, of all ranks. */
export interface StepBatches {
  /** This rank's shares of the batches that contribute to the loss. */
  readonly shares: readonly BatchShare[];
  /** The number of rows, or of labeled tokens, that contribute to the loss. */
  readonly weight: number;
  readonly rows: number;
  readonly tokens: number;
  /** What the task's losses have of the whole step. */
  readonly sums?: readonly number[] | undefined;
}

/** A term that is added to a loss. */
export type Penalty = () => torch.Tensor;

/** The objective of a step, which the ranks share: the mean loss of its batches, and a penalty that is added once. */
export interface StepLoss {
  readonly ranks: Ranks;
  readonly task: Task;
  readonly model: TaskModel;
  readonly batches: StepBatches;
  /** The context of the forward pass of a batch. */
  context(share: BatchShare): ForwardContext;
  /** BiDoRA's weighted regularizer; it is not part of the reported loss. Only one rank has it. */
  readonly penalty?: Penalty | undefined;
  /** Weights of the rows by their sources. */
  readonly sourceWeights?: SourceWeights | undefined;
  /** Receives the outputs of each batch of this rank. */
  readonly onOutputs?: ((outputs: torch.Tensor, batch: Batch) => void) | undefined;
  /** The name of the loss in messages. */
  readonly what?: string;
}

/** What a step's gradients are used for. */
export interface GradientUse {
  /** Record each batch's passes, to compute tangents. */
  readonly record?: RecordOptions | undefined;
  /** The factor on the loss in the backward passes, by which the gradients are divided; 1 by default. */
  readonly scale?: number | undefined;
}

/** How a rank computes its part. */
interface PartUse extends GradientUse {
  readonly createGraph?: boolean;
  /** The sum over the ranks that a step of a single batch begins. */
  readonly sum?: torch.GradientSum;
}

interface LossAndGradients {
  readonly loss: torch.Tensor;
  readonly gradients: readonly torch.Tensor[];
}

export interface PartGradients extends LossAndGradients {
  /** One for each batch that this rank has a part of, if recorded. They do not contain the penalty. */
  readonly tapes: readonly TangentTape[];
}

/** This rank's part of the loss and its gradients. */
export function partGradients(objective: StepLoss, inputs: readonly torch.Tensor[], use: PartUse): PartGradients {
  const { batches, penalty } = objective;
  const { createGraph = false } = use;
  const tapes: TangentTape[] = [];
  let sum: LossAndGradients | undefined;
  for (const share of batches.shares) {
    const own = sum ? { ...objective, penalty: undefined } : objective;
    const part = gradientsOfShare(share, own, inputs, use, tapes);
    if (part) sum = sum ? plus(sum, part, createGraph) : part;
  }
  const found = sum ?? { loss: nothing(inputs), gradients: penaltyGradients(penalty, inputs, use) };
  return { ...found, tapes };
}

/**
 * Of this rank's rows of a batch; undefined if none of them counts. Masks are drawn all the same, as on the other ranks.
 * @param tapes receives the recorded pass
 */
function gradientsOfShare(
  share: BatchShare,
  objective: StepLoss,
  inputs: readonly torch.Tensor[],
  use: PartUse,
  tapes: TangentTape[],
): LossAndGradients | undefined {
  const { ranks, task, model, context, sourceWeights, onOutputs } = objective;
  const { createGraph, record } = use;
  const shareContext = context(share);
  const meeting = meetingOf(ranks, task, share);
  if (meeting && createGraph) throw new BidoraError("RANKS", NOT_TWICE);
  const { own } = share;
  if (!own || lossWeight(task, own) === 0) {
    meeting?.joinWithout();
    if (meeting && record) tapes.push(meeting.tapeWithout(record.wanted));
    return undefined;
  }
  const found = torch.scope(() => {
    const whole = new MiniBatches(task, model, own, shareContext, meeting, sourceWeights, onOutputs);
    const isCached = whole.count > 1 && !createGraph && !record;
    return isCached
      ? cachedGradients(whole, objective, inputs, use)
      : wholeGradients(whole, objective, inputs, use, tapes);
  });
  return meeting?.counts === false ? { ...found, loss: nothing(inputs) } : found;
}

const NOT_TWICE =
  "The loss compares the rows of all ranks, which needs the tangents of all of the model's operators, and one has none: use --hypergradient finite-difference, or a single process.";

function plus(a: LossAndGradients, b: LossAndGradients, isRecorded: boolean): LossAndGradients {
  return {
    loss: torch.noGrad(() => torch.add(a.loss, b.loss)),
    gradients: addGradients(a.gradients, b.gradients, isRecorded),
  };
}

const nothing = ([like]: readonly torch.Tensor[]): torch.Tensor =>
  torch.zeros([], like ? { dtype: like.dtype, device: like.device } : {});

/** @param tapes receives the recorded pass */
function wholeGradients(
  whole: MiniBatches,
  { batches: { weight }, penalty }: StepLoss,
  inputs: readonly torch.Tensor[],
  { createGraph = false, record, scale, sum }: PartUse,
  tapes: TangentTape[],
): LossAndGradients {
  const forward = () => torch.divScalar(whole.loss(), weight);
  const recorded = record && recordForward(forward, { ...record, exchange: () => whole.meeting?.exchange });
  const mean = recorded?.loss ?? forward();
  const loss = torch.castTo(torch.detach(mean), inputs[0]?.dtype ?? mean.dtype);
  const total = scaled(penalty ? torch.add(mean, penalty()) : mean, scale);
  if (!recorded && sum) return { loss, gradients: zeroFilled(sum.gradients(total), inputs) };
  if (!recorded) return { loss, gradients: gradientsOf(total, inputs, { createGraph }) };
  const found = recorded.gradients(total, inputs);
  tapes.push(found.tape);
  return { loss, gradients: found.gradients };
}

function cachedGradients(
  whole: MiniBatches,
  { batches: { weight }, penalty }: StepLoss,
  inputs: readonly torch.Tensor[],
  { scale }: PartUse,
): LossAndGradients {
  const { loss, direct, terms } = whole.terms(weight, inputs);
  const [first, ...others] = [...terms, ...(penalty ? [penalty] : [])].map(
    (term) => () => torch.scope(() => gradientsOf(scaled(term(), scale), inputs)),
  );
  const ofOutputs = others.reduce((sum, next) => addGradients(sum, next(), false), first!() as readonly torch.Tensor[]);
  // Only weights of sources are in the loss besides the outputs.
  const gradients = whole.sourceWeights ? addGradients(ofOutputs, zeroFilled(direct, inputs), false) : ofOutputs;
  return { loss: torch.castTo(loss, inputs[0]?.dtype ?? loss.dtype), gradients };
}

function penaltyGradients(
  penalty: StepLoss["penalty"],
  inputs: readonly torch.Tensor[],
  { createGraph = false, scale }: PartUse,
): torch.Tensor[] {
  return penalty
    ? torch.scope(() => gradientsOf(scaled(penalty(), scale), inputs, { createGraph }))
    : inputs.map((input) => torch.zerosLike(input));
}

/** Gradients with respect to `inputs`; zero where `loss` does not depend on one. */
export function gradientsOf(
  loss: torch.Tensor,
  inputs: readonly torch.Tensor[],
  options: torch.GradOptions = {},
): torch.Tensor[] {
  return zeroFilled(torch.grad([loss], inputs, { allowUnused: true, ...options }), inputs);
}

export const zeroFilled = (gradients: readonly (torch.Tensor | undefined)[], inputs: readonly torch.Tensor[]) =>
  gradients.map((gradient, i) => gradient ?? torch.zerosLike(inputs[i]!));

/** Adds the gradients of two batches: in place, unless they are to be differentiated again. */
function addGradients(
  sum: readonly torch.Tensor[],
  part: readonly torch.Tensor[],
  isRecorded: boolean,
): readonly torch.Tensor[] {
  if (isRecorded) return torch.foreachAdd(sum, part);
  torch.noGrad(() => torch.foreachAdd_(sum, part));
  return sum;
}
