import { type ForwardContext, Module } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { Head } from "./head.js";
import type { ModelInput } from "./input.js";

/** What the rest of the program needs to know of a model's `config.json`. */
export interface ModelConfig {
  readonly vocabSize: number;
  /** Kinds of tokens: 1 for a model that tells no second text from the first. */
  readonly typeVocabSize: number;
  readonly layers: number;
  readonly hiddenSize: number;
  /** Tokens that a row can have, special tokens included. */
  readonly maxTokens: number;
  /** Standard deviation of freshly drawn weights. */
  readonly initializerRange: number;
}

/** An encoder with a head. Its modules have the paths that they have in transformers' class for the task. */
export abstract class TaskModel extends Module {
  abstract readonly config: ModelConfig;
  abstract readonly head: Head;

  /** @returns logits, [rows, labels], or [tokens, labels] for token classification; float32 (float64 in a float64 model) */
  abstract forward(input: ModelInput, context: ForwardContext): torch.Tensor;

  /** The embeddings' output and each layer's, [tokens, hidden]. */
  abstract hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[];
}
