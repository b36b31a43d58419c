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

  /** What it multiplies by where it computes in `dtype`; undefined where it computes in a wider one. */
  factors(dtype: torch.DType): torch.Tensor | undefined {
    return torch.castTo(this.weight.tensor, dtype);
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
    const bias = this.bias ? torch.castTo(this.bias.tensor, x.dtype) : null;
    return torch.rowNorm(x, torch.castTo(this.weight.tensor, x.dtype), bias, this.epsilon);
  }
}

/** Root mean square normalisation (arXiv 1910.07467): no mean, no bias. */
export class RmsNorm extends Norm {
  readonly bias = undefined;
  readonly isCentred = false;

  override forward(x: torch.Tensor): torch.Tensor {
    return torch.rowNorm(x, torch.castTo(this.weight.tensor, x.dtype), null, this.epsilon, { centred: false });
  }
}

/** The same with weights that are offsets from 1, in float32 at least, as Gemma has it. */
export class OffsetRmsNorm extends RmsNorm {
  override factors(dtype: torch.DType): torch.Tensor | undefined {
    return dtype === wideOf(dtype) ? this.#fromOne(dtype) : undefined;
  }

  override forward(x: torch.Tensor): torch.Tensor {
    const wide = torch.castTo(x, wideOf(x.dtype));
    const normed = torch.rowNorm(wide, this.#fromOne(wide.dtype), null, this.epsilon, { centred: false });
    return torch.castTo(normed, x.dtype);
  }

  #fromOne(dtype: torch.DType): torch.Tensor {
    return torch.addScalar(torch.castTo(this.weight.tensor, dtype), 1);
  }
}

const wideOf = (dtype: torch.DType): torch.DType => (dtype === "float64" ? "float64" : "float32");
