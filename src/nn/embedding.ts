import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import { Module } from "./module.js";
import type { Parameter } from "./parameter.js";

/** What can stand in for an embedding's own look-up. */
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
    /** The row of padding, which gets no gradient, wherever it is looked up. */
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
    const { tensor, computeDtype } = this.weight;
    return torch.castTo(this.rows(tensor, ids), computeDtype ?? tensor.dtype);
  }

  /** Rows of any table that is looked up as this one. table: [count, any] → [tokens, any] */
  rows(table: torch.Tensor, ids: torch.Tensor): torch.Tensor {
    return torch.embedding(table, ids, this.padding);
  }
}
