// Shapes: N tokens, H hidden size.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Dropout } from "./dropout.js";
import { castTo } from "./linear.js";
import type { LayerNorm } from "./norm.js";

/**
 * norm(residual + dropout(x)). Forward and backward, the fused operator takes half of its parts' time in bfloat16 (0.49 ms
 * against 0.93 for 1024×768, one thread; with dropout 0.81 against 1.07), and about as long in float32. The parts serve second
 * derivatives, and masks given element by element.
 * @param x [N, H]; residual likewise
 */
export function addAndNorm(
  x: torch.Tensor,
  residual: torch.Tensor,
  { dropout, norm, context }: { readonly dropout: Dropout; readonly norm: LayerNorm; readonly context: ForwardContext },
): torch.Tensor {
  const drawn = dropout.draw(x.shape, context);
  if (context.differentiateTwice || drawn instanceof torch.Tensor)
    return norm.forward(torch.add(dropout.apply(x, drawn), residual));
  const weight = castTo(norm.weight.tensor, x.dtype);
  const bias = castTo(norm.bias.tensor, x.dtype);
  const { seed, stream } = drawn ?? { seed: 0, stream: 0 };
  return torch.dropoutAddNorm(x, residual, weight, bias, norm.epsilon, drawn ? dropout.p : 0, seed, stream);
}
