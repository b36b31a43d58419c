// Shapes: K tokens that are foretold, H hidden size, V vocabulary.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Linear } from "./linear.js";
import { crossEntropy } from "./losses.js";

/** So much of the logits is there at a time. */
const CHUNK_BYTES = 2 ** 25;

/**
 * The sum of the cross-entropies of a language model's outputs, float32 (float64 of such a model), without ever having the logits of
 * all tokens: of a plain layer by an operator that takes its gradients along, of one with an adapter chunk by chunk, each made anew
 * in the backward pass. What is to be differentiated twice by automatic differentiation has them all.
 * @param states [K, H] of the tokens that bear loss
 * @param output from states to logits
 * @param targets [K] int64
 */
export function linearCrossEntropy(
  states: torch.Tensor,
  output: Linear,
  targets: torch.Tensor,
  context: ForwardContext,
): torch.Tensor {
  if (context.differentiateTwice) return fromLogits(states, output, targets, context);
  return output.adapter ? inChunks(states, output, targets, context) : fused(states, output, targets);
}

function fused(states: torch.Tensor, output: Linear, targets: torch.Tensor): torch.Tensor {
  const weight = torch.castTo(output.weight.tensor, states.dtype);
  const bias = output.bias ? torch.castTo(output.bias.tensor, states.dtype) : null;
  return torch.linearCrossEntropy(states, weight, bias, targets, { packed: output.packedFor(states) })[0];
}

function inChunks(states: torch.Tensor, output: Linear, targets: torch.Tensor, context: ForwardContext): torch.Tensor {
  const rows = targets.numel;
  const ofChunk = Math.max(1, Math.floor(CHUNK_BYTES / (output.outFeatures * torch.DTYPE_BYTES.float32)));
  let sum: torch.Tensor | undefined;
  for (let start = 0; start < rows || !sum; start += ofChunk) {
    const part = torch.scope(() => {
      const count = Math.min(ofChunk, rows - start);
      const [x, chunk] = [torch.narrow(states, 0, start, count), torch.narrow(targets, 0, start, count)];
      return torch.checkpoint(() => torch.scope(() => fromLogits(x, output, chunk, context)));
    });
    sum = sum ? torch.add(sum, part) : part;
  }
  return sum;
}

function fromLogits(
  states: torch.Tensor,
  output: Linear,
  targets: torch.Tensor,
  context: ForwardContext,
): torch.Tensor {
  const given = output.forward(states, context); // K,V
  return crossEntropy(given.dtype === "float64" ? given : torch.castTo(given, "float32"), targets);
}
