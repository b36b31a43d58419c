import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** What can stand in for a linear layer's own product: an adapter put there from outside. */
export interface LinearAdapter {
  /** x: [tokens, in] → [tokens, out] */
  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor;
}

/** y = x·Wᵀ + b with W: [out, in]. The weight is used in the input's dtype. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  adapter: LinearAdapter | undefined;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: { readonly bias?: boolean } = {},
  ) {
    super();
    this.weight = this.parameter("weight", [outFeatures, inFeatures]);
    this.bias = options.bias === false ? undefined : this.parameter("bias", [outFeatures]);
  }

  /** x: [..., in] → [..., out] */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.adapter ? this.adapter.forward(x, this, context) : this.base(x);
  }

  /** The layer's own product, without its adapter. */
  base(x: torch.Tensor): torch.Tensor {
    return torch.linear(x, castTo(this.weight.tensor, x.dtype), this.bias && castTo(this.bias.tensor, x.dtype));
  }
}

/** The tensor in `dtype`: itself when it has it already. */
export function castTo(tensor: torch.Tensor, dtype: torch.DType): torch.Tensor {
  return tensor.dtype === dtype ? tensor : torch.to(tensor, dtype);
}
