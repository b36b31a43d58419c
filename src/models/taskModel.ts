// A model for a task, and vectors of whole texts.
// Shapes: N tokens of all rows, K selected tokens, B rows, H hidden size.
import { having } from "../base/index.js";
import type { Pooling } from "../formats/index.js";
import * as torch from "../torch/index.js";
import type { Backbone, ModelConfig, ModelInput } from "./backbone.js";
import { type Head, type HeadDesign, indicesRead, type Reads, rowMeans, toHeadDtype } from "./heads.js";
import { type ForwardContext, isWithin, type Linear, Module } from "./nn/index.js";

/** Checks an argument that must be a model. */
export const aModel = having("a model, as returned by loadModel", "forward");

/** A backbone with a head. Its modules have the same paths as in transformers' class for the task. */
export class TaskModel extends Module {
  /** Paths of the head's modules with parameters; empty for a pretrained head. */
  readonly headModules: readonly string[];
  /** Path of the module with the output layer, which is trained and saved with every adapter. */
  readonly outputModule: string;
  readonly #head: Head;

  constructor(
    readonly config: ModelConfig,
    readonly backbone: Backbone,
    /** The path of the backbone; empty for a model without a head. */
    readonly prefix: string,
    readonly design: HeadDesign,
    readonly outputs: number,
  ) {
    super();
    this.child(prefix, backbone);
    this.#head = design.build(config, outputs, backbone);
    const modules = Object.entries(this.#head.modules);
    for (const [path, module] of modules) this.child(path, module);
    const own = modules.filter(([, module]) => !module.namedParameters().next().done);
    this.headModules = design.isPretrained ? [] : own.map(([path]) => path);
    this.outputModule = this.headModules.find((path) => isWithin(design.output, path)) ?? design.output;
  }

  /** @returns outputs for the tokens the head reads, [rows or N, outputs]; float32 (float64 in a float64 model) unless pretrained */
  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.#outputs(this.backbone.forward(input, context, this.#read(input)), input, context);
  }

  #read(input: ModelInput): torch.Tensor | undefined {
    return indicesRead(this.reads, input, this.config.padTokenId);
  }

  /** @param hidden of the tokens that the head reads */
  #outputs(hidden: torch.Tensor, input: ModelInput, context: ForwardContext): torch.Tensor {
    const states = this.design.isPretrained ? hidden : toHeadDtype(hidden);
    return this.#head.forward(this.reads === "mean" ? rowMeans(states, input.layout) : states, context);
  }

  /**
   * The same as `forward`, for given tokens.
   * @param only [K] int64: their flat indices
   * @returns [K, outputs]
   */
  forwardAt(input: ModelInput, context: ForwardContext, only: torch.Tensor): torch.Tensor {
    const hidden = this.backbone.forward(input, context, only);
    return this.#head.forward(this.design.isPretrained ? hidden : toHeadDtype(hidden), context);
  }

  /**
   * The head's modules that stay dense where `trained` are trained, in any order. As in PEFT's `modules_to_save` and in transformers'
   * `llm_int8_skip_modules` a name stands for all that end in it: DistilBERT's `pre_classifier` goes with its `classifier`.
   */
  denseModules(trained: readonly string[]): readonly string[] {
    return this.headModules.filter((path) => trained.some((name) => path.endsWith(name)));
  }

  /** Which hidden states the head reads. */
  get reads(): Reads {
    const { reads } = this.design;
    return typeof reads === "string" ? reads : reads.by(this.config);
  }

  /** The output layer. */
  get outputLayer(): Linear {
    const found = [...this.baseModules()].find(([path]) => path === this.design.output);
    return found?.[1] as Linear;
  }

  /** Outputs of the embeddings and of each layer, [N, H], in the backbone's dtype. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    return this.backbone.hiddenStates(input, context);
  }
}

/**
 * The pooled states of each text: [B, H] float32 (float64 in a float64 model).
 * @param skipped of each text, the tokens at its start that do not count; a text of nothing else counts whole
 */
export function pooled(
  model: TaskModel,
  input: ModelInput,
  context: ForwardContext,
  { pooling, skipped }: { readonly pooling: Pooling; readonly skipped: readonly number[] },
): torch.Tensor {
  const only = pooling === "mean" ? undefined : tokensRead(input, pooling, skipped);
  const states = toHeadDtype(model.backbone.forward(input, context, only));
  return pooling === "mean" ? rowMeans(states, input.layout, skipped) : states;
}

/** [B] int64: the flat index of the token whose state is the text's. */
function tokensRead(
  { layout: { lengths }, inputIds }: ModelInput,
  pooling: Exclude<Pooling, "mean">,
  skipped: readonly number[],
): torch.Tensor {
  let end = 0;
  const indices = lengths.map((length, text) => {
    end += length;
    const first = skipped[text]!;
    return pooling === "last" ? end - 1 : end - length + (first < length ? first : 0);
  });
  return torch.tensor(indices, [indices.length], "int64", inputIds.device);
}
