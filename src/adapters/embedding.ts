// Shapes: ids [n], table [vocab, dim], A [r, vocab], B [dim, r], magnitude [dim].
import { castTo, type Embedding, type EmbeddingAdapter, type ForwardContext, Parameter } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { directionBase, directionNorm, gainOf } from "./directionNorm.js";
import type { NormGradient } from "./dora.js";
import type { LowRank } from "./lowRank.js";

/** LoRA of an embedding: rows of table + s·(B·A)ᵀ. Dropout has no place here, as in PEFT. */
export class LoraEmbedding implements EmbeddingAdapter {
  constructor(readonly lowRank: LowRank) {}

  forward(ids: torch.Tensor, layer: Embedding, _context: ForwardContext): torch.Tensor {
    return addLowRankRows(layer.base(ids), ids, layer, this.lowRank);
  }
}

/** DoRA of an embedding: one magnitude a dimension, the norm over the vocabulary. */
export class DoraEmbedding implements EmbeddingAdapter {
  readonly magnitudeParameter: Parameter;
  readonly #squaredBase: torch.Tensor;
  #heldNorm: torch.Tensor | undefined;

  constructor(
    readonly lowRank: LowRank,
    magnitude: torch.Tensor,
    readonly normGradient: NormGradient,
    table: torch.Tensor,
  ) {
    this.magnitudeParameter = Parameter.of(magnitude);
    this.#squaredBase = directionBase(table, "in", magnitude.dtype);
  }

  get magnitude(): torch.Tensor {
    return this.magnitudeParameter.tensor;
  }

  forward(ids: torch.Tensor, layer: Embedding, _context: ForwardContext): torch.Tensor {
    const base = layer.base(ids);
    const gain = castTo(gainOf(this.magnitude, this.norm(layer)), base.dtype);
    return torch.mul(addLowRankRows(base, ids, layer, this.lowRank), gain);
  }

  /** As a linear layer's. */
  holdNorm(layer: Embedding): () => void {
    if (this.normGradient === "full") return () => {};
    this.#heldNorm = this.norm(layer);
    return () => {
      this.#heldNorm = undefined;
    };
  }

  /** The table is W0ᵀ of a linear layer, so its columns are that layer's rows. */
  norm(layer: Embedding): torch.Tensor {
    if (this.#heldNorm) return this.#heldNorm;
    const compute = () => directionNorm(torch.t(layer.weight.tensor), this.#squaredBase, this.lowRank, "out");
    return this.normGradient === "detached" ? torch.noGrad(compute) : compute();
  }
}

function addLowRankRows(
  base: torch.Tensor,
  ids: torch.Tensor,
  layer: Embedding,
  { a, b, scale }: LowRank,
): torch.Tensor {
  const reduced = castTo(layer.rows(torch.t(a), ids), base.dtype); // n,r
  return torch.addmm(base, reduced, torch.t(castTo(b, base.dtype)), { alpha: scale });
}
