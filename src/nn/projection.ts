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
  if (layers.length === 1 || !areTogether(layers, x)) return layers.map((layer) => layer.forward(x, context));
  const [weights, biases] = [layers.map(({ weight }) => weight), layers.flatMap(({ bias }) => bias ?? [])].map(
    (parameters) => parameters.map(({ tensor }) => torch.castTo(tensor, x.dtype)),
  ) as [torch.Tensor[], torch.Tensor[]];
  return torch.fastLinears(x, weights, biases);
}

/** Whether one call may serve all: it takes the weights alone, with biases of all or of none, and records no gradients. */
function areTogether(layers: readonly Linear[], x: torch.Tensor): boolean {
  const biased = layers.filter(({ bias }) => bias).length;
  const parameters = layers.flatMap(({ weight, bias }) => (bias ? [weight, bias] : [weight]));
  return (
    (biased === 0 || biased === layers.length) &&
    !layers.some((layer) => layer.adapter || layer.packedFor(x)) &&
    !x.requiresGrad &&
    !parameters.some(({ tensor }) => tensor.requiresGrad)
  );
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
