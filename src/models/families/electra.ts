// ELECTRA.
// Shapes: N tokens of all rows, H hidden size.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import type { ModelInput } from "../backbone.js";
import { ConfigReader } from "../configReader.js";
import { ENCODER_OUTPUTS, Encoder, EncoderModel, InputEmbeddings } from "../encoder.js";
import { classificationHead } from "../heads.js";
import { type ForwardContext, Linear } from "../nn/index.js";
import { type BertConfig, parseBertConfig } from "./bert.js";

// Config

interface ElectraConfig extends BertConfig {
  readonly embeddingSize: number;
}

function parseConfig(json: JsonObject): ElectraConfig {
  const small = { vocabSize: 30522, padTokenId: 0, hiddenSize: 256, heads: 4, intermediateSize: 1024 };
  return { ...parseBertConfig(json, small), embeddingSize: new ConfigReader(json).count("embedding_size", 128) };
}

// Model

class ElectraModel extends EncoderModel {
  private readonly projection: Linear | undefined;

  constructor(config: ElectraConfig) {
    const { embeddingSize, hiddenSize } = config;
    super(new InputEmbeddings({ ...config, hiddenSize: embeddingSize }), new Encoder(config));
    if (embeddingSize !== hiddenSize)
      this.projection = this.child("embeddings_project", new Linear(embeddingSize, hiddenSize));
  }

  /** → N,H. Embeddings of another size are projected to the hidden size. */
  protected override embed(input: ModelInput, context: ForwardContext): torch.Tensor {
    const embedded = super.embed(input, context);
    return this.projection ? this.projection.forward(embedded, context) : embedded;
  }
}

export const electra = architecture<ElectraConfig>({
  className: "Electra",
  prefix: "electra",
  defaultTargetModules: ["query", "value"],
  subLayerOutputs: ENCODER_OUTPUTS,
  parseConfig,
  backbone: (config) => new ElectraModel(config),
  heads: { ForSequenceClassification: classificationHead((x) => torch.gelu(x)) },
});
