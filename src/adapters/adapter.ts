import { type Embedding, type ForwardContext, type Linear, Module, type Parameter } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { LowRank } from "./lowRank.js";

/** A layer that can have an adapter. */
export type Layer = Linear | Embedding;

/**
 * What a method puts into one layer. It is a module of the model's tree, at the layer's own path, so that its parameters are called
 * there what they are called in a file.
 */
export abstract class Adapter extends Module {
  /** The change of the weight has at most this rank. */
  abstract readonly rank: number;

  /** That of its trained tensors, in which it is merged. */
  abstract readonly dtype: torch.DType;

  /** The low-rank update, where the direction of the weight is W0 + s·B·A: what BiDoRA's regulariser is about. */
  readonly lowRank: LowRank | undefined;

  /** x: [tokens, in], or ids [tokens] of an embedding → [tokens, out] */
  abstract forward(x: torch.Tensor, layer: Layer, context: ForwardContext): torch.Tensor;

  /** Why no weight and bias compute what layer and adapter compute together: the end of a sentence; undefined where some do. */
  whyNotMerged(_layer: Layer): string | undefined {
    return undefined;
  }

  /**
   * The weight that computes what layer and adapter compute together, shaped as the layer's, computed in `dtype`.
   * @throws BidoraError `MERGE` where there is none
   */
  abstract mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor;

  /** What merging adds to the layer's bias, [out]; undefined for nothing. */
  biasUpdate(_dtype: torch.DType): torch.Tensor | undefined {
    return undefined;
  }

  /** Where a norm is a constant for gradients: keeps its present value until the returned function is called. */
  freezeNorm(_layer: Layer): () => void {
    return () => {};
  }

  /** Gives its parameters their names. */
  own(parameters: Iterable<readonly [name: string, parameter: Parameter]>): void {
    for (const [name, parameter] of parameters) this.hold(name, parameter);
  }
}
