// Shapes: B rows, H hidden size.
import { type Activation, Dropout, type ForwardContext, Linear, Module } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { ModelConfig } from "./backbone.js";
import type { HeadDesign } from "./head.js";

class ClassificationHead extends Module {
  private readonly dense: Linear;
  private readonly dropout: Dropout;
  private readonly projection: Linear;

  constructor(
    config: ModelConfig,
    outputs: number,
    private readonly activation: Activation,
  ) {
    super();
    this.dense = this.child("dense", new Linear(config.hiddenSize, config.hiddenSize));
    this.dropout = this.child("dropout", new Dropout(config.classifierDropout));
    this.projection = this.child("out_proj", new Linear(config.hiddenSize, outputs));
  }

  /** x: B,H → [B, outputs]; the one dropout is used twice */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const features = this.activation(this.dense.forward(this.dropout.forward(x, context), context));
    return this.projection.forward(this.dropout.forward(features, context), context);
  }
}

/** The first token's state, a dense layer with an activation, the outputs; dropout before both. */
export function classificationHead(activation: Activation): HeadDesign {
  return {
    reads: "first",
    output: "classifier.out_proj",
    build(config, outputs) {
      const classifier = new ClassificationHead(config, outputs, activation);
      return { modules: { classifier }, forward: (hidden, context) => classifier.forward(hidden, context) };
    },
  };
}
