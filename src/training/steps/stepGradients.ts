// What every step rule does with its gradients, at every level, in this order:
//
//     backward, one batch at a time → sum over the batches of a step → sum over the ranks, which a single batch begins
//     while its backward pass goes on → divide by the loss's scale
//     → check that they are finite → clip → update, by the level's optimizer
//
// Each stage takes the result of the one before it, and `Level.update` takes checked gradients, so that no stage can be left out.

import { BidoraError } from "../../base/index.js";
import type { TaskModel } from "../../models/index.js";
import { EVALUATION, type ForwardContext } from "../../models/nn/index.js";
import { lossWeight, type Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { twiceDifferentiable } from "../../torch/operators/index.js";
import { clipGradNorm, totalNorm } from "../../torch/optim/index.js";
import { type RecordOptions, recordForward, type TangentTape } from "../../torch/tangents/index.js";
import type { BatchSource } from "../loop/batches.js";
import { meetingOf } from "../ranks/meeting.js";
import type { BatchShare } from "../ranks/shares.js";
import { MiniBatches } from "./gradientCache.js";
import { scaled, unscaled } from "./lossScale.js";
import { nonFiniteModule } from "./nonFiniteModule.js";

/** The batches of one gradient. Numbers are those of the whole batches, of all ranks. */
export interface StepBatches {
  /** The shares of the batches that contribute to the loss. */
  readonly parts: readonly BatchShare[];
  /** The number of rows, or of labeled tokens, that contribute to the loss. */
  readonly weight: number;
  readonly rows: number;
  readonly tokens: number;
}

export function takeBatches(task: Task, stream: BatchSource, count: number): StepBatches {
  const shares = Array.from({ length: count }, () => stream.next());
  const weights = shares.map(({ whole }) => total(whole.map((row) => task.weight(row))));
  return {
    parts: shares.filter((_, i) => weights[i] !== 0),
    weight: total(weights),
    rows: total(shares.map(({ whole }) => whole.length)),
    tokens: total(shares.flatMap(({ whole }) => whole.map(({ inputIds }) => inputIds.length))),
  };
}

/** A term that is added to a loss. */
export type Penalty = () => torch.Tensor;

/** The objective of a step: the mean loss of its batches, and a penalty that is added once. */
export interface StepLoss {
  readonly task: Task;
  readonly model: TaskModel;
  readonly batches: StepBatches;
  /** The context of the forward pass of a batch. */
  context(share: BatchShare): ForwardContext;
  /** BiDoRA's weighted regularizer; it is not part of the reported loss. Only one rank has it. */
  readonly penalty?: Penalty | undefined;
  /** The name of the loss in messages. */
  readonly what?: string;
}

/** What a step's gradients are used for. */
interface GradientUse {
  /** Record each batch's passes, to compute tangents. */
  readonly record?: RecordOptions | undefined;
  /** The factor on the loss in the backward passes, by which the gradients are divided; 1 by default. */
  readonly scale?: number | undefined;
}

/** A step's loss and gradients. */
interface StepGradients {
  readonly loss: number;
  readonly gradients: readonly torch.Tensor[];
  /** One for each batch that this rank has a part of, if recorded. They do not contain the penalty. */
  readonly tapes: readonly TangentTape[];
}

/**
 * The mean loss over all rows or tokens of the step, and its gradients with respect to `inputs`. They equal those of one large batch,
 * but are computed one batch at a time, each rank with its own rows: the sum of the gradients of (sum of losses) / (weight of all).
 * @throws BidoraError `LOSS_NOT_FINITE` on all ranks
 */
export function stepGradients(
  ranks: Ranks,
  loss: StepLoss,
  inputs: readonly torch.Tensor[],
  use: GradientUse = {},
): StepGradients {
  const sum = ranks.startSum(inputs);
  const isSingle = loss.batches.parts.length === 1;
  const { tapes, ...own } = gradientsOfParts({ ...loss, ranks }, inputs, isSingle ? { ...use, sum } : use);
  const [total, ...scaledGradients] = sum.finish(own.loss, own.gradients);
  return withLoss(loss, { tapes, loss: total, gradients: unscaled(scaledGradients, use.scale) });
}

/**
 * This rank's part of the gradients of a step's loss, with their graph, to differentiate them again. Whether they are finite shows in
 * what is computed with those of all ranks.
 */
export const gradientsWithGraph = (
  ranks: Ranks,
  loss: StepLoss,
  inputs: readonly torch.Tensor[],
): readonly torch.Tensor[] =>
  twiceDifferentiable(() => gradientsOfParts({ ...loss, ranks }, inputs, { createGraph: true }).gradients);

/** How a rank computes its part. */
interface PartUse extends GradientUse {
  readonly createGraph?: boolean;
  /** The sum over the ranks that a step of a single batch begins. */
  readonly sum?: torch.GradientSum;
}

interface PartGradients extends Omit<StepGradients, "loss"> {
  readonly loss: torch.Tensor;
}

function withLoss(objective: StepLoss, { loss, ...rest }: PartGradients): StepGradients {
  try {
    return { loss: finiteLoss(loss.item(), objective.what), ...rest };
  } catch (error) {
    for (const tape of rest.tapes) tape.dispose();
    throw namingModule(error as BidoraError, objective);
  }
}

/** Adds to the error of a loss that is not finite which module of the model is the cause, if this rank's rows show it. */
function namingModule(error: BidoraError, { task, model, batches }: StepLoss): BidoraError {
  const path = nonFiniteModule(model, () => {
    for (const { own } of batches.parts)
      if (own) torch.scope(() => void new MiniBatches(task, model, own, EVALUATION).loss());
  });
  if (path === undefined) return error;
  const finding = `${error.parts.finding}; ${path} is the first module whose output is not finite`;
  return new BidoraError(error.code, { ...error.parts, finding }, { cause: error });
}

/** A loss that ranks share. */
interface SharedLoss extends StepLoss {
  readonly ranks: Ranks;
}

/** This rank's part of the loss and its gradients. */
function gradientsOfParts(objective: SharedLoss, inputs: readonly torch.Tensor[], use: PartUse): PartGradients {
  const { batches, penalty } = objective;
  const { createGraph = false } = use;
  const tapes: TangentTape[] = [];
  let sum: LossAndGradients | undefined;
  for (const share of batches.parts) {
    const own = sum ? { ...objective, penalty: undefined } : objective;
    const part = gradientsOfShare(share, own, inputs, use, tapes);
    if (part) sum = sum ? plus(sum, part, createGraph) : part;
  }
  const found = sum ?? { loss: nothing(inputs), gradients: penaltyGradients(penalty, inputs, use) };
  return { ...found, tapes };
}

type LossAndGradients = Omit<PartGradients, "tapes">;

/**
 * Of this rank's rows of a batch; undefined if none of them counts. Masks are drawn all the same, as on the other ranks.
 * @param tapes receives the recorded pass
 */
function gradientsOfShare(
  share: BatchShare,
  objective: SharedLoss,
  inputs: readonly torch.Tensor[],
  use: PartUse,
  tapes: TangentTape[],
): LossAndGradients | undefined {
  const { ranks, task, model, context } = objective;
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
    const whole = new MiniBatches(task, model, own, shareContext, meeting);
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
  const share = recorded?.loss ?? forward();
  const loss = torch.castTo(torch.detach(share), inputs[0]?.dtype ?? share.dtype);
  const total = scaled(penalty ? torch.add(share, penalty()) : share, scale);
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
  const { loss, shares } = whole.shares(weight);
  const all = [...shares, ...(penalty ? [penalty] : [])];
  const gradients = all.reduce<readonly torch.Tensor[] | undefined>(
    (sum, share) =>
      addGradients(
        sum,
        torch.scope(() => gradientsOf(scaled(share(), scale), inputs)),
        false,
      ),
    undefined,
  );
  return { loss: torch.castTo(loss, inputs[0]?.dtype ?? loss.dtype), gradients: gradients as readonly torch.Tensor[] };
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

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Gradients with respect to `inputs`; zero where `loss` does not depend on one. */
export function gradientsOf(
  loss: torch.Tensor,
  inputs: readonly torch.Tensor[],
  options: torch.GradOptions = {},
): torch.Tensor[] {
  return zeroFilled(torch.grad([loss], inputs, { allowUnused: true, ...options }), inputs);
}

const zeroFilled = (gradients: readonly (torch.Tensor | undefined)[], inputs: readonly torch.Tensor[]) =>
  gradients.map((gradient, i) => gradient ?? torch.zerosLike(inputs[i] as torch.Tensor));

/** Adds the gradients of two batches: in place, unless they are to be differentiated again. */
function addGradients(
  sum: readonly torch.Tensor[] | undefined,
  part: readonly torch.Tensor[],
  isRecorded: boolean,
): readonly torch.Tensor[] {
  if (!sum) return part;
  if (isRecorded) return torch.foreachAdd(sum, part);
  torch.noGrad(() => torch.foreachAdd_(sum, part));
  return sum;
}

/** Gradients of a whole step, all of them finite. */
export interface FiniteGradients {
  readonly tensors: readonly torch.Tensor[];
  /** The norm of all gradients together. */
  readonly norm: number;
}

/**
 * @param what their name in the message
 * @throws BidoraError LOSS_NOT_FINITE
 */
export function checkGradients(tensors: readonly torch.Tensor[], what = "gradient"): FiniteGradients {
  return { tensors, norm: finiteLoss(totalNorm(tensors), `${what}'s norm`) };
}

/** The gradients that the optimizer gets. */
interface ClippedGradients {
  readonly gradients: readonly torch.Tensor[];
  /** The factor that clipping applied. */
  readonly factor: number;
}

/** Clips gradients to a norm of at most `maxNorm`, if it is given. */
export function clipGradients({ tensors, norm }: FiniteGradients, maxNorm: number | undefined): ClippedGradients {
  return maxNorm === undefined ? { gradients: tensors, factor: 1 } : clipGradNorm(tensors, norm, maxNorm);
}

/** What may keep losses and gradients finite. */
export const SMALLER_STEPS = "take a smaller --learning-rate, or --max-grad-norm 1, or --dtype float32 in a new run";

/** Returns a finite loss. @throws BidoraError `LOSS_NOT_FINITE` before it can change a tensor */
function finiteLoss(value: number, what = "loss"): number {
  if (Number.isFinite(value)) return value;
  throw new BidoraError("LOSS_NOT_FINITE", {
    finding: `The ${what} is ${Number.isNaN(value) ? "not a number" : "infinite"}`,
    advice: `${SMALLER_STEPS}, or skip such batches by --on-nonfinite skip`,
  });
}
