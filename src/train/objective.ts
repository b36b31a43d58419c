import type { Batch, BatchLabels } from "../data/index.js";
import { type TaskModel, toModelInput } from "../models/index.js";
import { binaryCrossEntropy, crossEntropy, type ForwardContext, meanSquaredError } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** The training loss of a batch: one number to differentiate. */
export function batchLoss(model: TaskModel, batch: Batch, context: ForwardContext): torch.Tensor {
  if (!batch.labels) throw new TypeError("A batch without labels has no loss.");
  return lossOf(model.forward(toModelInput(batch), context), batch.labels);
}

/** How much a batch counts in a mean over several: its rows, or its labelled tokens. */
export function lossWeight({ labels, rows }: Batch): number {
  return labels?.task === "token-classification" ? labels.classes.filter((label) => label >= 0).length : rows;
}

/**
 * The loss that Hugging Face models compute for the task, a mean over rows, over rows and labels, or over labelled tokens.
 * @param logits [rows, labels], or [tokens, labels] for token classification
 */
export function lossOf(logits: torch.Tensor, labels: BatchLabels): torch.Tensor {
  switch (labels.task) {
    case "sequence-classification":
    case "token-classification":
      return crossEntropy(logits, torch.tensor(labels.classes, undefined, "int64"));
    case "multi-label-classification":
      return binaryCrossEntropy(logits, torch.tensor(labels.targets, logits.shape, logits.dtype));
    case "regression":
      return meanSquaredError(torch.flatten(logits), torch.tensor(labels.targets, undefined, logits.dtype));
  }
}
