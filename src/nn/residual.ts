// Shapes: N tokens, H hidden size.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Dropout } from "./dropout.js";
import type { Norm } from "./norm.js";

/** The linear layers that sub-layers end with, whose results are added to what came in: ends of their paths, by kind of sub-layer. */
export interface SubLayerOutputs {
  readonly attention: readonly string[];
  /** What ends one of `attention`'s too is that alone. */
  readonly feedForward: readonly string[];
}

/** What a residual sum goes through. */
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
 * norm(residual + dropout(x)), the end of a sub-layer that normalises after the sum, as BERT does.
 * @param x [N, H]; residual likewise
 */
export function addAndNorm(x: torch.Tensor, residual: torch.Tensor, options: ResidualOptions): torch.Tensor {
  const { sum, normed } = addThenNorm(x, residual, options);
  sum.dispose();
  return normed;
}

/**
 * residual + dropout(x) and its norm, which the next sub-layer starts with where models normalise before each, as GPT-2 does.
 * One pass serves both. The parts serve second derivatives, and masks given element by element.
 * @param x [N, H]; residual likewise
 */
export function addThenNorm(
  x: torch.Tensor,
  residual: torch.Tensor,
  { dropout, norm, context }: ResidualOptions,
): NormedSum {
  const drawn = dropout.draw(x.shape, context);
  const weight = norm.factors(x.dtype);
  if (context.differentiateTwice || drawn instanceof torch.Tensor || !weight) {
    const sum = torch.add(dropout.apply(x, drawn), residual);
    return { sum, normed: norm.forward(sum) };
  }
  const bias = norm.bias ? torch.castTo(norm.bias.tensor, x.dtype) : null;
  const mask = drawn && { ...drawn, p: dropout.p };
  const options = { centred: norm.isCentred, ...mask };
  const [normed, sum] = torch.dropoutAddNorm(x, residual, weight, bias, norm.epsilon, options);
  return { sum, normed };
}
