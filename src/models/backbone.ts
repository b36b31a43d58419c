// Shapes: N tokens of all rows, K tokens kept, H hidden size.
import { type ForwardContext, Module } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { ModelInput } from "./input.js";

/** What the rest of the program needs to know of a model's `config.json`. */
export interface ModelConfig {
  readonly vocabSize: number;
  /** Kinds of tokens: 0 or 1 for a model that tells no second text from the first. */
  readonly typeVocabSize: number;
  readonly layers: number;
  readonly hiddenSize: number;
  /** Tokens that a row can have, special tokens included. */
  readonly maxTokens: number;
  /** Padding, where the model has a token for it. */
  readonly padTokenId?: number | undefined;
  /** Standard deviation of freshly drawn weights. */
  readonly initializerRange: number;
  /** Of a usual head. */
  readonly classifierDropout: number;
}

/** A model without a head: from tokens to hidden states. */
export abstract class Backbone extends Module {
  /**
   * @param only [K] flat indices of the tokens whose state is wanted
   * @returns [N, H], or [K, H] with `only`
   */
  abstract forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor;

  /** Whether what a cache holds of a sequence's first `before` tokens is right once it has `after`. */
  holds(_before: number, _after: number): boolean {
    return true;
  }

  /** The embeddings' output and each layer's, [N, H]. */
  abstract hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[];
}
