// Shapes: K tokens that are foretold, H hidden size, V vocabulary.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Linear } from "./linear.js";

/** Tokens that go through the output matrix at a time, so that logits take little room. */
const CHUNK = 256;

/** libtorch's number for no reduction. */
const EACH = 0;

/**
 * Each token's cross-entropy, and 1 where its logit is the largest (the first of several): [K, 2] float32. No gradient flows.
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
  return chunks.length > 0 ? torch.cat(chunks, 0) : torch.zeros([0, 2]);
}

/** logits: [n, V] → [n, 2] */
function lossesOf(logits: torch.Tensor, targets: torch.Tensor): torch.Tensor {
  const precise = logits.dtype === "float64" ? logits : torch.castTo(logits, "float32");
  const losses = torch.crossEntropyLoss(precise, targets, null, EACH);
  const hits = torch.eqScalar(torch.sub(torch.argmax(precise, 1), targets), 0);
  return torch.stack([losses, torch.castTo(hits, precise.dtype)], 1);
}
