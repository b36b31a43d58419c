import type { Batch } from "../data/index.js";
import type { TaskModel } from "../models/index.js";
import type { ForwardContext } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { BatchStream } from "./batches.js";
import { gradientsOf } from "./level.js";
import { finiteLoss } from "./lossNotFinite.js";
import { batchLoss, lossWeight } from "./objective.js";

/** A batch, and its share in the mean over everything that bears loss in its step: rows, or labelled tokens. */
interface MicroBatch {
  readonly batch: Batch;
  readonly share: number;
}

/** The batches that one gradient is taken of. */
export interface StepBatches {
  /** Those that bear loss. Their shares make one. */
  readonly parts: readonly MicroBatch[];
  readonly rows: number;
  readonly tokens: number;
}

export function takeBatches(stream: BatchStream, count: number): StepBatches {
  const batches = Array.from({ length: count }, () => stream.next());
  const weights = batches.map(lossWeight);
  const whole = total(weights);
  const parts = batches.map((batch, i) => ({ batch, share: (weights[i] as number) / whole }));
  return {
    parts: parts.filter(({ share }) => share > 0),
    rows: total(batches.map(({ rows }) => rows)),
    tokens: total(batches.map(({ ids }) => ids.length)),
  };
}

/** What a step descends on: the mean loss of its batches, and a term that is added once. */
export interface StepLoss {
  readonly model: TaskModel;
  readonly batches: StepBatches;
  /** The context of each batch's forward pass. */
  context(): ForwardContext;
  /** BiDoRA's weighted regulariser, no part of the loss that is reported. */
  readonly penalty?: (() => torch.Tensor) | undefined;
  /** What a message calls the loss. */
  readonly what?: string;
}

/** The mean loss and its gradients with respect to `inputs`, as one large batch would give, from one batch at a time. */
export function stepGradients(
  { model, batches, context, penalty, what }: StepLoss,
  inputs: readonly torch.Tensor[],
  { createGraph = false }: { readonly createGraph?: boolean } = {},
): { loss: number; gradients: torch.Tensor[] } {
  const { parts } = batches;
  if (parts.length === 0) return { loss: 0, gradients: penaltyGradients(penalty, inputs, createGraph) };
  let loss = 0;
  let gradients: torch.Tensor[] | undefined;
  for (const [i, { batch, share }] of parts.entries()) {
    const part = torch.scope(() => {
      const data = batchLoss(model, batch, context());
      loss += share * finiteLoss(data.item(), what);
      const shared = share === 1 ? data : torch.mulScalar(data, share);
      return gradientsOf(i === 0 && penalty ? torch.add(shared, penalty()) : shared, inputs, { createGraph });
    });
    gradients = gradients ? plus(gradients, part, createGraph) : part;
  }
  return { loss, gradients: gradients as torch.Tensor[] };
}

function penaltyGradients(
  penalty: StepLoss["penalty"],
  inputs: readonly torch.Tensor[],
  createGraph: boolean,
): torch.Tensor[] {
  return penalty
    ? torch.scope(() => gradientsOf(penalty(), inputs, { createGraph }))
    : inputs.map((input) => torch.zerosLike(input));
}

/** In place, unless the sum is to be differentiated again. */
function plus(sum: torch.Tensor[], part: readonly torch.Tensor[], isRecorded: boolean): torch.Tensor[] {
  if (isRecorded) return torch.foreachAdd(sum, part);
  torch.noGrad(() => torch.foreachAdd_(sum, part));
  return sum;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
