import * as torch from "../torch/index.js";
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

/**
 * The products of layers that a checkpoint holds as one.
 * @param x [tokens, sum of widths]
 * @returns [tokens, width] for each width
 */
export function partsOf(x: torch.Tensor, widths: readonly number[]): readonly torch.Tensor[] {
  let end = 0;
  return widths.map((width) => {
    end += width;
    return torch.narrow(x, 1, end - width, width);
  });
}
