import * as torch from "../torch/index.js";

/** The label of what has none: it bears no loss. */
export const IGNORED_LABEL = -100;

/**
 * Cross-entropy, sum over the labels that are not −100.
 * @param logits [n, classes] float32
 * @param labels [n] int64
 */
export function crossEntropy(logits: torch.Tensor, labels: torch.Tensor): torch.Tensor {
  return torch.crossEntropyLoss(logits, labels, null, SUM, IGNORED_LABEL);
}

/** Binary cross-entropy with logits: the sum over rows of the mean over labels. Both [rows, labels], float32. */
export function binaryCrossEntropy(logits: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  const sum = torch.binaryCrossEntropyWithLogits(logits, targets, null, null, SUM);
  return torch.divScalar(sum, logits.shape[1] as number);
}

/** Squared error, summed. Both [n], float32. */
export function meanSquaredError(predictions: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  return torch.mseLoss(predictions, targets, SUM);
}

/** libtorch's number for the reduction that adds up. */
const SUM = 2;
