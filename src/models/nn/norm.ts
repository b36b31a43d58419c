// Normalization layers and residual connections. Shapes: N tokens, H hidden size.

import * as torch from "../../torch/index.js";
import { dropoutAddNorm, type NormFactors, rowNorm } from "../../torch/operators/index.js";
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

  /** Its parameters, if it computes in `dtype`; undefined if it computes in a wider dtype. */
  factors(dtype: torch.DType): NormFactors | undefined {
    return this.factorsOf(torch.castTo(this.weight.tensor, dtype));
  }

  /** @param weight the weight in the dtype of the computation */
  protected factorsOf(weight: torch.Tensor): NormFactors {
    const bias = this.bias ? torch.castTo(this.bias.tensor, weight.dtype) : null;
    return { weight, bias, epsilon: this.epsilon, isCentered: this.isCentered };
  }

  /** Normalizes over the last dimension, then applies the weight and, if there is one, the bias. x: [..., size] → the same */
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

/** RMSNorm whose weights are offsets from 1, computed at least in float32, as in Gemma. */
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

/** Suffixes of the module paths of each kind of sub-layer's last linear layer, whose output is added to the residual. */
export interface SubLayerOutputs {
  readonly attention: readonly string[];
  /** A path that also matches `attention` counts as attention only. */
  readonly feedForward: readonly string[];
}

/** The dropout and norm of a residual connection. */
export interface ResidualOptions {
  readonly dropout: Dropout;
  readonly norm: Norm;
  readonly context: ForwardContext;
}

/** A residual sum and its norm. */
export interface NormedSum {
  /** residual + dropout(x) */
  readonly sum: torch.Tensor;
  /** norm(sum) */
  readonly normed: torch.Tensor;
}

/**
 * norm(residual + dropout(x)), the end of a post-norm sub-layer, as in BERT.
 * @param x [N, H], like residual
 */
export function addAndNorm(x: torch.Tensor, residual: torch.Tensor, options: ResidualOptions): torch.Tensor {
  const { sum, normed } = addThenNorm(x, residual, options);
  sum.dispose();
  return normed;
}

/**
 * residual + dropout(x), and its norm, with which the next sub-layer of a pre-norm model begins, as in GPT-2. One pass computes both,
 * unless the dropout mask is a tensor.
 * @param x [N, H], like residual
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

/** The smallest norm that vectors are divided by, as in PyTorch's `normalize`. */
export const SMALLEST_NORM = 1e-12;

/** Divides each row by its Euclidean norm. x: [n, H] → [n, H] */
export function normalize(x: torch.Tensor): torch.Tensor {
  return torch.div(x, torch.clampMin(torch.linalgVectorNorm(x, 2, [1], true), SMALLEST_NORM));
}
