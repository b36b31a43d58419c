// Normalization layers, and the residual sums that they normalize. Shapes: N tokens, H hidden size.
import { dropoutAddNorm, type NormFactors, rowNorm } from "../operators/norms.js";
import * as torch from "../torch/index.js";
import type { Dropout, ForwardContext } from "./context.js";
import { Module, type Parameter } from "./module.js";

/** A normalization over the last dimension. */
export abstract class Norm extends Module {
  readonly weight: Parameter;
  abstract readonly bias: Parameter | undefined;
  /** Whether the mean is subtracted first. */
  abstract readonly isCentered: boolean;

  constructor(
    readonly size: number,
    readonly epsilon: number,
  ) {
    super();
    this.weight = this.parameter("weight", [size]);
  }

  /** Its numbers where it computes in `dtype`; undefined where it computes in a wider one. */
  factors(dtype: torch.DType): NormFactors | undefined {
    return this.factorsOf(torch.castTo(this.weight.tensor, dtype));
  }

  /** @param weight what it multiplies by, in the dtype that it computes in */
  protected factorsOf(weight: torch.Tensor): NormFactors {
    const bias = this.bias ? torch.castTo(this.bias.tensor, weight.dtype) : null;
    return { weight, bias, epsilon: this.epsilon, isCentered: this.isCentered };
  }

  /** Normalizes over the last dimension, then scales and perhaps shifts. x: [..., size] → the same */
  abstract forward(x: torch.Tensor): torch.Tensor;
}

/** Layer normalization, with a weight and by default a bias. */
export class LayerNorm extends Norm {
  readonly bias: Parameter | undefined;
  readonly isCentered = true;

  constructor(size: number, epsilon: number, options: { readonly bias?: boolean } = {}) {
    super(size, epsilon);
    this.bias = options.bias === false ? undefined : this.parameter("bias", [size]);
  }

  override forward(x: torch.Tensor): torch.Tensor {
    return rowNorm(x, this.factorsOf(torch.castTo(this.weight.tensor, x.dtype)));
  }
}

/** Root mean square normalization (arXiv 1910.07467): no mean, no bias. */
export class RmsNorm extends Norm {
  readonly bias = undefined;
  readonly isCentered = false;

  override forward(x: torch.Tensor): torch.Tensor {
    return rowNorm(x, this.factorsOf(torch.castTo(this.weight.tensor, x.dtype)));
  }
}

/** RMSNorm whose weights are offsets from 1, in float32 at least, as in Gemma. */
export class OffsetRmsNorm extends RmsNorm {
  override factors(dtype: torch.DType): NormFactors | undefined {
    return dtype === torch.wideDtype(dtype) ? this.factorsOf(this.#fromOne(dtype)) : undefined;
  }

  override forward(x: torch.Tensor): torch.Tensor {
    const wide = torch.castTo(x, torch.wideDtype(x.dtype));
    return torch.castTo(rowNorm(wide, this.factorsOf(this.#fromOne(wide.dtype))), x.dtype);
  }

  #fromOne(dtype: torch.DType): torch.Tensor {
    return torch.addScalar(torch.castTo(this.weight.tensor, dtype), 1);
  }
}

/** The last linear layer of each kind of sub-layer, whose result is added to the residual: ends of module paths. */
export interface SubLayerOutputs {
  readonly attention: readonly string[];
  /** A path that also matches `attention` counts as attention only. */
  readonly feedForward: readonly string[];
}

/** How a residual sum is computed. */
export interface ResidualOptions {
  readonly dropout: Dropout;
  readonly norm: Norm;
  readonly context: ForwardContext;
}

/** A residual sum, and its norm. */
export interface NormedSum {
  /** residual + dropout(x) */
  readonly sum: torch.Tensor;
  /** norm(sum) */
  readonly normed: torch.Tensor;
}

/**
 * norm(residual + dropout(x)), the end of a sub-layer that normalizes after the sum, as BERT does.
 * @param x [N, H]; residual likewise
 */
export function addAndNorm(x: torch.Tensor, residual: torch.Tensor, options: ResidualOptions): torch.Tensor {
  const { sum, normed } = addThenNorm(x, residual, options);
  sum.dispose();
  return normed;
}

/**
 * residual + dropout(x) and its norm, which the next sub-layer starts with where models normalize before each, as GPT-2 does.
 * One pass computes both, unless the mask is given element by element.
 * @param x [N, H]; residual likewise
 */
export function addThenNorm(
  x: torch.Tensor,
  residual: torch.Tensor,
  { dropout, norm, context }: ResidualOptions,
): NormedSum {
  const mask = dropout.draw(x.shape, context);
  const factors = norm.factors(x.dtype);
  if (mask instanceof torch.Tensor || !factors) {
    const sum = torch.add(dropout.apply(x, mask), residual);
    return { sum, normed: norm.forward(sum) };
  }
  return dropoutAddNorm(x, residual, factors, mask && { ...mask, p: dropout.p });
}
