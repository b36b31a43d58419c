// New weights of a head's layers, as transformers initializes them.

import * as torch from "../../torch/index.js";
import type { InitialWeights } from "../heads.js";
import type { Linear, Norm } from "../nn/index.js";

/** Random numbers come from the CPU, so that a seed gives the same model on every device. */
interface Initialization {
  readonly dtype: torch.DType;
  readonly generator: torch.Generator;
  readonly device: string;
}

/** Normally distributed weights and bias 0. */
export function initializeLinear(layer: Linear, weights: InitialWeights, { generator, ...to }: Initialization): void {
  const { device, dtype } = to;
  const draw = () => torch.normal_(torch.empty(layer.weight.shape, { dtype }), 0, weights.deviation, { generator });
  layer.weight.fill(torch.scope(() => torch.keep(torch.onDevice(within(weights, draw), device))));
  layer.bias?.fill(torch.keep(torch.zeros(layer.bias.shape, to)));
}

/** A tensor of draws, without those beyond the cutoff. */
function within({ deviation, cutoff }: InitialWeights, draw: () => torch.Tensor): torch.Tensor {
  const first = draw();
  if (cutoff === undefined) return first;
  const limit = cutoff * deviation;
  const kept = new Float64Array(torch.numelOf(first.shape));
  let count = 0;
  for (let draws = first.toTypedArray(); count < kept.length; draws = torch.scope(() => draw().toTypedArray()))
    for (const value of draws)
      if (Math.abs(Number(value)) <= limit && count < kept.length) kept[count++] = Number(value);
  return torch.tensor(kept, first.shape, first.dtype);
}

/** Weight 1 and bias 0. */
export function initializeNorm(norm: Norm, { device, dtype }: Initialization): void {
  norm.weight.fill(torch.keep(torch.ones(norm.weight.shape, { dtype, device })));
  norm.bias?.fill(torch.keep(torch.zeros(norm.bias.shape, { dtype, device })));
}
