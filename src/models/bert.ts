// Shapes: N tokens of all rows, B rows, H hidden size.
import type { JsonObject } from "../files/json.js";
import { Dropout, type ForwardContext, Linear, Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { architecture } from "./architecture.js";
import { type BertConfig, parseBertConfig } from "./bertConfig.js";
import { Embeddings } from "./embeddings.js";
import { ENCODER_OUTPUTS, Encoder } from "./encoder.js";
import { EncoderModel } from "./encoderModel.js";
import type { HeadDesign } from "./head.js";

// Config

function parseConfig(json: JsonObject): BertConfig {
  return parseBertConfig(json, { vocabSize: 30522, padTokenId: 0 });
}

// Head

class Pooler extends Module {
  private readonly dense: Linear;

  constructor(size: number) {
    super();
    this.dense = this.child("dense", new Linear(size, size));
  }

  /** x: B,H → B,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return torch.tanh(this.dense.forward(x, context));
  }
}

/** The first token's state pooled, dropout, classifier. */
const pooledHead: HeadDesign<BertConfig> = {
  reads: "first",
  output: "classifier",
  build(config, outputs) {
    const pooler = new Pooler(config.hiddenSize);
    const dropout = new Dropout(config.classifierDropout);
    const classifier = new Linear(config.hiddenSize, outputs);
    return {
      modules: { "bert.pooler": pooler, dropout, classifier },
      forward: (hidden, context) =>
        classifier.forward(dropout.forward(pooler.forward(hidden, context), context), context),
    };
  },
};

// Model

export const bert = architecture<BertConfig>({
  className: "Bert",
  prefix: "bert",
  defaultTargetModules: ["query", "value"],
  subLayerOutputs: ENCODER_OUTPUTS,
  parseConfig,
  backbone: (config) => new EncoderModel(new Embeddings(config), new Encoder(config)),
  heads: { ForSequenceClassification: pooledHead },
});
