// Embedding tables, and output matrices that may share one.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import { Linear } from "./linear.js";
import { Module, type Parameter } from "./module.js";

/** An adapter that replaces an embedding's look-up. */
export interface EmbeddingAdapter extends Module {
  /** ids: [tokens] integers → [tokens, dim] */
  forward(ids: torch.Tensor, layer: Embedding, context: ForwardContext): torch.Tensor;
}

/** A table of vectors, [count, dim]. */
export class Embedding extends Module {
  readonly weight: Parameter;
  declare adapter: EmbeddingAdapter | undefined;

  constructor(
    readonly count: number,
    readonly dim: number,
    /** The row of the padding token, which gets no gradient. */
    readonly padding?: number,
  ) {
    super();
    this.weight = this.parameter("weight", [count, dim]);
  }

  /** ids: [tokens] integers → [tokens, dim] */
  forward(ids: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.adapter ? this.adapter.forward(ids, this, context) : this.base(ids);
  }

  /** The rows of the table, without the adapter. ids: [tokens] → [tokens, dim] */
  base(ids: torch.Tensor): torch.Tensor {
    const { values, computeDtype } = this.weight;
    return torch.castTo(values.rows(ids, this.padding), computeDtype ?? values.dtype);
  }

  /** Rows of any table that is looked up as this one. table: [count, any] → [tokens, any] */
  rows(table: torch.Tensor, ids: torch.Tensor): torch.Tensor {
    return torch.embedding(table, ids, this.padding);
  }
}

/**
 * The output matrix of a language model, from hidden states to the vocabulary. It comes with the checkpoint, and `all-linear` leaves
 * it out. Where it is tied to the embeddings it computes with their table, and adds no weight to the tree.
 */
export class OutputLinear extends Linear {
  constructor(
    inFeatures: number,
    outFeatures: number,
    /** The embeddings that it is tied to. */
    readonly tied?: Embedding,
  ) {
    super(inFeatures, outFeatures, { bias: false, ...(tied && { weight: tied.weight }) });
  }
}
