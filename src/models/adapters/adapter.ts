import type * as torch from "../../torch/index.js";
import type { LowRankFactors } from "../../torch/operators/index.js";
import { type Embedding, type ForwardContext, type Linear, Module, type Parameter } from "../nn/index.js";
import type { LowRank } from "./lowRank.js";

/** A layer that can have an adapter. */
export type Layer = Linear | Embedding;

/**
 * The part of an adapter method in one layer. It is a module of the model's tree, at the layer's path, so that its parameters have the
 * same names there as in a file.
 */
export abstract class Adapter extends Module {
  /** An upper bound on the rank of the weight's change. */
  abstract readonly rank: number;

  /** The dtype of its trained tensors; merging computes in it. */
  abstract readonly dtype: torch.DType;

  /** The low-rank update of an adapter whose direction is W0 + s·B·A: the input of BiDoRA's regularizer. */
  readonly lowRank: LowRank | undefined;

  /** W' − W0 as s·B·A, with A [r, in] and B [out, r], if that is all that the adapter does to the weight. */
  get update(): LowRankFactors | undefined {
    return undefined;
  }

  /** x: [tokens, in], or ids [tokens] of an embedding → [tokens, out] */
  abstract forward(x: torch.Tensor, layer: Layer, context: ForwardContext): torch.Tensor;

  /** Whether `afterLayer` is there, which computes the same from the layer's own output. */
  get followsLayer(): boolean {
    return false;
  }

  /** `forward` for inference, from the layer's own output, which several adapters can share. base: [tokens, out] → [tokens, out] */
  afterLayer(_base: torch.Tensor, x: torch.Tensor, layer: Layer, context: ForwardContext): torch.Tensor {
    return this.forward(x, layer, context);
  }

  /** The reason that this adapter cannot be merged, as the end of a sentence; undefined if it can. */
  whyNotMerged(_layer: Layer): string | undefined {
    return undefined;
  }

  /**
   * The weight that computes what layer and adapter compute together, shaped as the layer's, computed in `dtype`.
   * @throws BidoraError `MERGE` if there is no such weight
   */
  abstract mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor;

  /** The change of the layer's bias by merging, [out]; undefined for none. */
  biasUpdate(_layer: Layer, _dtype: torch.DType): torch.Tensor | undefined {
    return undefined;
  }

  /** Keeps the current value of a norm that gradients treat as a constant, until the returned function is called. */
  freezeNorm(_layer: Layer): () => void {
    return () => {};
  }

  /** Called when A and B were set from outside before the first step: what depends on them is computed again. */
  restart(_layer: Layer): void {}

  /** Registers its parameters under their names. */
  own(parameters: Iterable<readonly [name: string, parameter: Parameter]>): void {
    for (const [name, parameter] of parameters) this.hold(name, parameter);
  }
}
