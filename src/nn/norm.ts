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
    const weight = torch.castTo(this.weight.tensor, x.dtype);
    const bias = this.bias ? torch.castTo(this.bias.tensor, x.dtype) : null;
    return torch.layerNorm(x, [this.size], weight, bias, this.epsilon);
  }
}

/**
 * libtorch composes it of operators that read x several times. They read an alias, so that one gradient comes from here to x, and
 * sums with others have the same bits where a layer is made anew in the backward pass.
 */
function normed(x: torch.Tensor, weight: torch.Tensor | null, epsilon: number): torch.Tensor {
  return torch.rmsNorm(torch.alias(x), [x.shape.at(-1) as number], weight, epsilon);
}

/** Root mean square normalisation (arXiv 1910.07467): no mean, no bias. */
export class RmsNorm extends Norm {
  readonly bias = undefined;
  readonly isCentred = false;

  override forward(x: torch.Tensor): torch.Tensor {
    return normed(x, torch.castTo(this.weight.tensor, x.dtype), this.epsilon);
  }
}

/** The same with weights that are offsets from 1, in float32 at least, as Gemma has it. */
export class OffsetRmsNorm extends RmsNorm {
  override factors(dtype: torch.DType): torch.Tensor | undefined {
    const isWide = dtype === "float32" || dtype === "float64";
    return isWide ? torch.addScalar(torch.castTo(this.weight.tensor, dtype), 1) : undefined;
  }

  override forward(x: torch.Tensor): torch.Tensor {
    const wide = torch.castTo(x, x.dtype === "float64" ? "float64" : "float32");
    return torch.castTo(normed(wide, this.factors(wide.dtype) ?? null, this.epsilon), x.dtype);
  }
}
