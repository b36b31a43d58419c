import * as torch from "../torch/index.js";
import { castTo } from "./linear.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** Layer normalisation over the last dimension, with weight and bias. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    readonly size: number,
    readonly epsilon: number,
  ) {
    super();
    this.weight = this.parameter("weight", [size]);
    this.bias = this.parameter("bias", [size]);
  }

  forward(x: torch.Tensor): torch.Tensor {
    return torch.layerNorm(
      x,
      [this.size],
      castTo(this.weight.tensor, x.dtype),
      castTo(this.bias.tensor, x.dtype),
      this.epsilon,
    );
  }
}
