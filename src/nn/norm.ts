import * as torch from "../torch/index.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** A normalisation over the last dimension. */
export abstract class Norm extends Module {
  readonly weight: Parameter;
  abstract readonly bias: Parameter | undefined;
  /** Whether the mean is taken away first. */
  abstract readonly isCentred: boolean;

  constructor(
    readonly size: number,
    readonly epsilon: number,
  ) {
    super();
    this.weight = this.parameter("weight", [size]);
  }

  /** Normalises over the last dimension, then scales and perhaps shifts. x: [..., size] → the same */
  abstract forward(x: torch.Tensor): torch.Tensor;
}

/** Layer normalisation, with a weight and, unless it says otherwise, a bias. */
export class LayerNorm extends Norm {
  readonly bias: Parameter | undefined;
  readonly isCentred = true;

  constructor(size: number, epsilon: number, options: { readonly bias?: boolean } = {}) {
    super(size, epsilon);
    this.bias = options.bias === false ? undefined : this.parameter("bias", [size]);
  }

  override forward(x: torch.Tensor): torch.Tensor {
    const weight = torch.castTo(this.weight.tensor, x.dtype);
    const bias = this.bias ? torch.castTo(this.bias.tensor, x.dtype) : null;
    return torch.layerNorm(x, [this.size], weight, bias, this.epsilon);
  }
}

/** Root mean square normalisation (arXiv 1910.07467): no mean, no bias. */
export class RmsNorm extends Norm {
  readonly bias = undefined;
  readonly isCentred = false;

  override forward(x: torch.Tensor): torch.Tensor {
    return torch.rmsNorm(x, [this.size], torch.castTo(this.weight.tensor, x.dtype), this.epsilon);
  }
}
