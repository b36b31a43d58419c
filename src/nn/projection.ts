import type * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Linear } from "./linear.js";

/**
 * The products of several layers with one input, such as query, key and value.
 * @param x [tokens, in]
 * @returns [tokens, out] for each layer
 */
export function projectTogether(
  layers: readonly Linear[],
  x: torch.Tensor,
  context: ForwardContext,
): readonly torch.Tensor[] {
  return layers.map((layer) => layer.forward(x, context));
}
