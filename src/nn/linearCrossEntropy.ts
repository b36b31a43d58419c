// Shapes: K rows that bear loss, H hidden size, V vocabulary.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Linear } from "./linear.js";
import { crossEntropy } from "./losses.js";

/** The loss of tokens, and how well they were foreseen. */
export interface TokenLoss {
  /** The cross-entropies' sum, float32 (float64 of such a layer). */
  readonly loss: torch.Tensor;
  /** Of how many rows the target is the likeliest, int64. */
  readonly correct: torch.Tensor;
}

/** So much of the logits is there at a time. */
const CHUNK_BYTES = 2 ** 25;

/**
 * The cross-entropy of an output layer's logits, without ever having those of all rows: of a plain layer by an operator that
 * takes its gradients along, of one with an adapter chunk by chunk, each made anew in the backward pass. What is to be
 * differentiated twice by automatic differentiation has them all.
 * @param hidden [K, H] of the rows that bear loss
 * @param layer the output layer, H → V
 * @param targets [K] int64, each a row of the layer's weight
 */
export function linearCrossEntropy(
  hidden: torch.Tensor,
  layer: Linear,
  targets: torch.Tensor,
  context: ForwardContext,
): TokenLoss {
  if (context.differentiateTwice) return fromLogits(hidden, layer, targets, context);
  return layer.adapter ? inChunks(hidden, layer, targets, context) : fused(hidden, layer, targets);
}

function fused(hidden: torch.Tensor, layer: Linear, targets: torch.Tensor): TokenLoss {
  const weight = torch.castTo(layer.weight.tensor, hidden.dtype);
  const bias = layer.bias ? torch.castTo(layer.bias.tensor, hidden.dtype) : null;
  const options = { packed: layer.packedFor(hidden) };
  const [loss, , correct] = torch.linearCrossEntropy(hidden, weight, bias, targets, options);
  return { loss, correct };
}

function inChunks(hidden: torch.Tensor, layer: Linear, targets: torch.Tensor, context: ForwardContext): TokenLoss {
  const rows = targets.numel;
  const ofChunk = Math.max(1, Math.floor(CHUNK_BYTES / (layer.outFeatures * torch.DTYPE_BYTES.float32)));
  let sum: TokenLoss | undefined;
  for (let start = 0; start < rows || !sum; start += ofChunk) {
    const part = torch.scope(() => {
      const count = Math.min(ofChunk, rows - start);
      const [x, chunk] = [torch.narrow(hidden, 0, start, count), torch.narrow(targets, 0, start, count)];
      const [loss, correct] = torch.checkpoint(() => {
        const found = fromLogits(x, layer, chunk, context);
        return [found.loss, found.correct] as const;
      });
      return { loss, correct };
    });
    sum = sum ? { loss: torch.add(sum.loss, part.loss), correct: torch.add(sum.correct, part.correct) } : part;
  }
  return sum;
}

function fromLogits(hidden: torch.Tensor, layer: Linear, targets: torch.Tensor, context: ForwardContext): TokenLoss {
  const given = layer.forward(hidden, context);
  const logits = given.dtype === "float64" ? given : torch.castTo(given, "float32"); // K,V
  const correct = torch.noGrad(() =>
    torch.sum(torch.eqScalar(torch.sub(torch.argmax(logits, 1), targets), 0), { dtype: "int64" }),
  );
  return { loss: crossEntropy(logits, targets), correct };
}
