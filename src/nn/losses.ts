import * as torch from "../torch/index.js";

/**
 * Cross-entropy, mean over the labels that are not −100.
 * @param logits [n, classes] float32
 * @param labels [n] int64
 */
export function crossEntropy(logits: torch.Tensor, labels: torch.Tensor): torch.Tensor {
  return torch.crossEntropyLoss(logits, labels);
}

/** Binary cross-entropy with logits, mean over rows and labels. Both [rows, labels], float32. */
export function binaryCrossEntropy(logits: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  return torch.binaryCrossEntropyWithLogits(logits, targets);
}

/** Mean squared error. Both [n], float32. */
export function meanSquaredError(predictions: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  return torch.mseLoss(predictions, targets);
}
