// Embedding tables, and output matrices that may be tied to one.
import * as torch from "../../torch/index.js";
import type { ForwardContext } from "./context.js";
import { Linear } from "./linear.js";
import { Module, type Parameter } from "./module.js";

/** An adapter that replaces an embedding's lookup. */
export interface EmbeddingAdapter extends Module {
  /** ids: [tokens] integers → [tokens, dim] */
  forward(ids: torch.Tensor, layer: Embedding, context: ForwardContext): torch.Tensor;
}

/** A table of vectors, [count, dim]. */
export class Embedding extends Module {
  readonly weight: Parameter;
  declare readonly adapter: EmbeddingAdapter | undefined;

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

  /** The lookup without the adapter. ids: [tokens] → [tokens, dim] */
  base(ids: torch.Tensor): torch.Tensor {
    const { values, computeDtype } = this.weight;
    return torch.castTo(values.rows(ids, this.padding), computeDtype ?? values.dtype);
  }

  /** Looks up ids in another table with the same padding row. table: [count, any] → [tokens, any] */
  rows(table: torch.Tensor, ids: torch.Tensor): torch.Tensor {
    return torch.embedding(table, ids, this.padding);
  }
}

/**
 * The output matrix of a language model, from hidden states to the vocabulary. It is part of the checkpoint, and `all-linear` excludes
 * it. If it is tied to the embeddings, it uses their table and adds no weight to the tree.
 */
export class OutputLinear extends Linear {
  constructor(
    inFeatures: number,
    outFeatures: number,
    /** The embeddings to tie it to. */
    readonly tied?: Embedding,
  ) {
    super(inFeatures, outFeatures, { bias: false, ...(tied && { weight: tied.weight }) });
  }
}
