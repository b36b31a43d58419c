import { type ForwardContext, isWithin, Module } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import { type Head, type HeadDesign, placesRead, toHead } from "./head.js";
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
  /** Standard deviation of freshly drawn weights. */
  readonly initializerRange: number;
  /** Of a usual head. */
  readonly classifierDropout: number;
}

/** A model without a head: from tokens to hidden states. */
export abstract class Backbone extends Module {
  /**
   * @param only [K] flat places of the tokens whose state is wanted
   * @returns [N, H], or [K, H] with `only`
   */
  abstract forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor;

  /** The embeddings' output and each layer's, [N, H]. */
  abstract hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[];
}

/** A backbone with a head. Its modules have the paths that they have in transformers' class for the task. */
export class TaskModel extends Module {
  /** The paths of the head's modules that have parameters. */
  readonly headModules: readonly string[];
  /** The one of them that gives the outputs: it is trained and saved with every adapter. */
  readonly outputModule: string;
  readonly #head: Head;

  constructor(
    readonly config: ModelConfig,
    readonly backbone: Backbone,
    /** The backbone's own path. */
    readonly prefix: string,
    readonly design: HeadDesign,
    readonly outputs: number,
  ) {
    super();
    this.child(prefix, backbone);
    this.#head = design.build(config, outputs, backbone);
    const modules = Object.entries(this.#head.modules);
    for (const [path, module] of modules) this.child(path, module);
    this.headModules = modules.flatMap(([path, module]) => (module.namedParameters().next().done ? [] : [path]));
    this.outputModule = this.headModules.find((path) => isWithin(design.output, path)) ?? design.output;
  }

  /** @returns outputs of the tokens that the head reads, [rows or N, outputs]; float32 (float64 in a float64 model) */
  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    const hidden = this.backbone.forward(input, context, placesRead(this.design.reads, input.layout));
    return this.#head.forward(toHead(hidden), context);
  }

  /** The embeddings' output and each layer's, [N, H], in the backbone's dtype. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    return this.backbone.hiddenStates(input, context);
  }
}
