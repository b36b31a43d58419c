/**
 * What every rule does with its gradients, at every level, in this order:
 *
 *     reduce, over all batches of a step → check that they are finite → clip → update, by the level's optimiser
 *
 * A stage takes what the one before gives, and `Level.update` the second's, so that none is left out.
 */
import { clipGradNorm, totalNorm } from "../optim/index.js";
import * as torch from "../torch/index.js";
import { finiteLoss } from "./lossNotFinite.js";

/** The sum of two batches' gradients: in place, unless it is to be differentiated again. */
export function reduceGradients(
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
  /** Of all of them together. */
  readonly norm: number;
}

/**
 * @param what they are called in the message
 * @throws BidoraError LOSS_NOT_FINITE
 */
export function checkGradients(tensors: readonly torch.Tensor[], what = "gradient"): FiniteGradients {
  return { tensors, norm: finiteLoss(totalNorm(tensors), `${what}'s norm`) };
}

/** What the optimiser is given. */
export interface ClippedGradients {
  readonly gradients: readonly torch.Tensor[];
  /** What clipping multiplied them by. */
  readonly factor: number;
}

/** To a norm of at most `maxNorm`, where there is such a bound. */
export function clipGradients({ tensors, norm }: FiniteGradients, maxNorm: number | undefined): ClippedGradients {
  return maxNorm === undefined ? { gradients: tensors, factor: 1 } : clipGradNorm(tensors, norm, maxNorm);
}
