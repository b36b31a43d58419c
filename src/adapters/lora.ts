import type { ForwardContext, Linear, LinearAdapter } from "../nn/index.js";
import type { Tensor } from "../torch/index.js";
import type { LowRank } from "./lowRank.js";

/** LoRA (arXiv 2106.09685): y = x·W0ᵀ + b + s·(x·Aᵀ)·Bᵀ. */
export class LoraLinear implements LinearAdapter {
  constructor(readonly lowRank: LowRank) {}

  forward(x: Tensor, layer: Linear, context: ForwardContext): Tensor {
    const branch = this.lowRank.drop(x, context);
    if (context.differentiateTwice) return this.lowRank.addTo(layer.base(x), branch);
    return this.lowRank.linear(x, layer, branch === x ? {} : { branch });
  }
}
