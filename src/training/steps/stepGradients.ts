// What every step rule does with its gradients, at every level, in this order:
//
//     backward, one batch at a time → sum over the batches of a step → sum over the ranks, which a single batch begins
//     while its backward pass goes on → divide by the loss's scale
//     → check that they are finite → clip → update, by the level's optimizer
//
// Each stage takes the result of the one before it, and `Level.update` takes checked gradients, so that no stage can be left out.

import type * as torch from "../../torch/index.js";
import { twiceDifferentiable } from "../../torch/operators/index.js";
import { type GradientUse, type PartGradients, partGradients, type StepLoss } from "./batchGradients.js";
import { finiteLoss, namingModule } from "./finite.js";
import { unscaled } from "./lossScale.js";

/** A step's loss and gradients, of all ranks. */
interface StepGradients extends Pick<PartGradients, "gradients" | "tapes"> {
  readonly loss: number;
}

/**
 * The mean loss over all rows or tokens of the step, and its gradients with respect to `inputs`. They equal those of one large batch,
 * but are computed one batch at a time, each rank with its own rows: the sum of the gradients of (sum of losses) / (weight of all).
 * @throws BidoraError `LOSS_NOT_FINITE` on all ranks
 */
export function stepGradients(
  objective: StepLoss,
  inputs: readonly torch.Tensor[],
  use: GradientUse = {},
): StepGradients {
  const sum = objective.ranks.startSum(inputs);
  const isSingle = objective.batches.shares.length === 1;
  const { tapes, ...own } = partGradients(objective, inputs, isSingle ? { ...use, sum } : use);
  const [loss, ...scaledGradients] = sum.finish(own.loss, own.gradients);
  const gradients = unscaled(scaledGradients, use.scale);
  try {
    return { loss: finiteLoss(loss.item(), objective.what), gradients, tapes };
  } catch (error) {
    for (const tape of tapes) tape.dispose();
    throw namingModule(error, objective);
  }
}

/**
 * This rank's part of the gradients of a step's loss, with their graph, to differentiate them again. Whether they are finite shows in
 * what is computed with those of all ranks.
 */
export const gradientsWithGraph = (objective: StepLoss, inputs: readonly torch.Tensor[]): readonly torch.Tensor[] =>
  twiceDifferentiable(() => partGradients(objective, inputs, { createGraph: true }).gradients);
