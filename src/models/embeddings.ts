// The embeddings of BERT-like encoders.
// Shapes: N tokens of all rows, H hidden size.

import * as torch from "../torch/index.js";
import type { ModelInput } from "./backbone.js";
import { Dropout, Embedding, type ForwardContext, LayerNorm, Module } from "./nn/index.js";

export interface EmbeddingsConfig {
  readonly vocabSize: number;
  readonly padTokenId: number;
  readonly hiddenSize: number;
  /** Rows of the position table. */
  readonly positions: number;
  /** Rows of the token type table; 0 for no table. */
  readonly typeVocabSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
}

/** [N] integers: the row of the position table for each token. */
export type PositionRule = (input: ModelInput) => torch.Tensor;

/** The normalized sum of word, token type and position embeddings. By default, positions are those in the row. */
export class InputEmbeddings extends Module {
  private readonly words: Embedding;
  private readonly positions: Embedding;
  private readonly types: Embedding | undefined;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(
    config: EmbeddingsConfig,
    private readonly positionsOf: PositionRule = (input) => input.positionIds,
    /** The position of padding, if `positionsOf` gives it one. */
    paddingPosition?: number,
  ) {
    super();
    this.words = this.child("word_embeddings", new Embedding(config.vocabSize, config.hiddenSize, config.padTokenId));
    const positions = new Embedding(config.positions, config.hiddenSize, paddingPosition);
    this.positions = this.child("position_embeddings", positions);
    if (config.typeVocabSize > 0)
      this.types = this.child("token_type_embeddings", new Embedding(config.typeVocabSize, config.hiddenSize));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  /** → N,H */
  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    const words = this.withTypes(this.words.forward(input.inputIds, context), input, context);
    const sum = torch.add(words, this.positions.forward(this.positionsOf(input), context));
    return this.dropout.forward(this.norm.forward(sum), context);
  }

  private withTypes(words: torch.Tensor, { tokenTypeIds }: ModelInput, context: ForwardContext): torch.Tensor {
    if (!this.types) return words;
    const types = this.types.count > 1 ? tokenTypeIds : torch.zerosLike(tokenTypeIds);
    return torch.add(words, this.types.forward(types, context));
  }
}

/**
 * RoBERTa's positions, which start at the padding token's id + 1. A padding token within a row (from its text) gets that id as its
 * position and is not counted.
 */
export function positionsAfterPadding(padTokenId: number): PositionRule {
  return ({ inputIds, positionIds }) => {
    const counts = torch.neScalar(inputIds, padTokenId);
    const upTo = torch.cumsum(counts, 0); // N, this token included
    const rowStarts = torch.sub(torch.arange(inputIds.numel, { device: inputIds.device }), positionIds); // N, flat index of the row's first token
    const before = torch.indexSelect(torch.sub(upTo, torch.to(counts, "int64")), 0, rowStarts);
    return torch.addScalar(torch.mul(torch.sub(upTo, before), counts), padTokenId);
  };
}
