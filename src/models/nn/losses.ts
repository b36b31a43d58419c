// Losses, as sums. Shapes: K predicted tokens, H hidden size, V vocabulary size.

import * as torch from "../../torch/index.js";
import {
  linearCrossEntropies as fusedLinearCrossEntropies,
  linearCrossEntropy as fusedLinearCrossEntropy,
} from "../../torch/operators/index.js";
import type { ForwardContext } from "./context.js";
import type { Linear } from "./linear.js";

/** The label of tokens that do not count in the loss. */
export const IGNORED_LABEL = -100;

/**
 * Cross-entropy, summed over the labels other than −100.
 * @param logits [n, classes] float32
 * @param labels [n] int64
 */
export function crossEntropy(logits: torch.Tensor, labels: torch.Tensor): torch.Tensor {
  return torch.crossEntropyLoss(logits, labels, null, SUM, IGNORED_LABEL);
}

/** Binary cross-entropy with logits, averaged over labels and summed over rows. Both [rows, labels], float32. */
export function binaryCrossEntropy(logits: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  const sum = torch.binaryCrossEntropyWithLogits(logits, targets, null, null, SUM);
  return torch.divScalar(sum, logits.shape[1]!);
}

/** Summed squared error. Both [n], float32. */
export function meanSquaredError(predictions: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  return torch.mseLoss(predictions, targets, SUM);
}

/** libtorch's number for the reduction "sum". */
const SUM = 2;

/**
 * The sum of the cross-entropies of a language model's outputs, in float32 (float64 for a float64 model), without holding the logits of
 * all tokens: the backward pass recomputes them.
 * @param states [K, H] of the tokens that count in the loss
 * @param output computes logits from states
 * @param targets [K] int64
 */
export function linearCrossEntropy(
  states: torch.Tensor,
  output: Linear,
  targets: torch.Tensor,
  context: ForwardContext,
): torch.Tensor {
  return fusedLinearCrossEntropy(states, layerFor(states, output, context), targets);
}

/** The same for each token: [K]. */
export function linearCrossEntropies(
  states: torch.Tensor,
  output: Linear,
  targets: torch.Tensor,
  context: ForwardContext,
): torch.Tensor {
  return fusedLinearCrossEntropies(states, layerFor(states, output, context), targets);
}

const layerFor = (states: torch.Tensor, output: Linear, context: ForwardContext) => ({
  vocabulary: output.outFeatures,
  logits: (x: torch.Tensor) => output.forward(x, context),
  product: output.adapter ? undefined : (operator: Parameters<Linear["apply"]>[1]) => output.apply(states, operator),
});

/** The number of tokens whose logits are computed at a time, to limit memory. */
const CHUNK = 256;

/** libtorch's number for the reduction "none". */
const EACH = 0;

/**
 * Each token's cross-entropy, and 1 if its logit is the first largest, otherwise 0: [K, 2] float32, without gradients.
 * @param states [K, H]
 * @param targets [K] int64
 */
export function tokenLosses(
  states: torch.Tensor,
  output: Linear,
  targets: torch.Tensor,
  context: ForwardContext,
): torch.Tensor {
  const count = targets.numel;
  const chunks = Array.from({ length: Math.ceil(count / CHUNK) }, (_, i) => {
    const length = Math.min(CHUNK, count - i * CHUNK);
    const part = (x: torch.Tensor) => torch.narrow(x, 0, i * CHUNK, length);
    return torch.scope(() => lossesOf(output.forward(part(states), context), part(targets)));
  });
  return chunks.length > 0 ? torch.cat(chunks, 0) : torch.zeros([0, 2], { device: states.device });
}

/** logits: [n, V] → [n, 2] */
function lossesOf(logits: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  const precise = logits.dtype === "float64" ? logits : torch.castTo(logits, "float32");
  const losses = torch.crossEntropyLoss(precise, targets, null, EACH);
  const hits = torch.eqScalar(torch.sub(torch.argmax(precise, 1), targets), 0);
  return torch.stack([losses, torch.castTo(hits, precise.dtype)], 1);
}
