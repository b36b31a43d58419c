// Shapes: N tokens of all rows, H hidden size.
import { Dropout, Embedding, type ForwardContext, LayerNorm, Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { ModelInput } from "./input.js";

export interface EmbeddingsConfig {
  readonly vocabSize: number;
  readonly padTokenId: number;
  readonly hiddenSize: number;
  /** Rows of the position table. */
  readonly positions: number;
  readonly typeVocabSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
}

/** [N] integers: the row of the position table for each token. */
export type PositionRule = (input: ModelInput) => torch.Tensor;

/** Word, token type and position embeddings, summed and normalised. */
export class Embeddings extends Module {
  private readonly words: Embedding;
  private readonly positions: Embedding;
  private readonly types: Embedding;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(
    config: EmbeddingsConfig,
    private readonly positionsOf: PositionRule,
    /** Where `positionsOf` puts padding. */
    paddingPosition?: number,
  ) {
    super();
    this.words = this.child("word_embeddings", new Embedding(config.vocabSize, config.hiddenSize, config.padTokenId));
    const positions = new Embedding(config.positions, config.hiddenSize, paddingPosition);
    this.positions = this.child("position_embeddings", positions);
    this.types = this.child("token_type_embeddings", new Embedding(config.typeVocabSize, config.hiddenSize));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  /** → N,H */
  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    const types = this.types.count > 1 ? input.tokenTypeIds : torch.zerosLike(input.tokenTypeIds);
    const words = torch.add(this.words.forward(input.inputIds, context), this.types.forward(types, context));
    const sum = torch.add(words, this.positions.forward(this.positionsOf(input), context));
    return this.dropout.forward(this.norm.forward(sum), context);
  }
}
