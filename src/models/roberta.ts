// Shapes: N tokens of all rows, B rows, H hidden size.
import type { JsonObject } from "../io/json.js";
import { Dropout, type ForwardContext, Linear, Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, architecture } from "./architecture.js";
import { type BertConfig, parseBertConfig } from "./bertConfig.js";
import { Embeddings, type PositionRule } from "./embeddings.js";
import { EncoderModel } from "./encoder.js";
import type { HeadDesign } from "./head.js";

// Config

function parseConfig(json: JsonObject, vocabSize: number): BertConfig {
  return parseBertConfig(json, { vocabSize, padTokenId: 1, reservedPositions: (padTokenId) => padTokenId + 1 });
}

// Parts

/**
 * Positions start at the padding token's id + 1. A padding token that a row really holds (one spelt out in its text) has
 * that id itself as its position, and is not counted.
 */
function positionsAfterPadding(padTokenId: number): PositionRule {
  return ({ inputIds, positionIds }) => {
    const counts = torch.neScalar(inputIds, padTokenId);
    const upTo = torch.cumsum(counts, 0); // N, this token included
    const rowStarts = torch.sub(torch.arange(inputIds.numel), positionIds); // N, flat place of the row's first token
    const before = torch.indexSelect(torch.sub(upTo, torch.to(counts, "int64")), 0, rowStarts);
    return torch.addScalar(torch.mul(torch.sub(upTo, before), counts), padTokenId);
  };
}

// Head

class ClassificationHead extends Module {
  private readonly dense: Linear;
  private readonly dropout: Dropout;
  private readonly projection: Linear;

  constructor(config: BertConfig, outputs: number) {
    super();
    this.dense = this.child("dense", new Linear(config.hiddenSize, config.hiddenSize));
    this.dropout = this.child("dropout", new Dropout(config.classifierDropout));
    this.projection = this.child("out_proj", new Linear(config.hiddenSize, outputs));
  }

  /** x: B,H → [B, outputs]; the one dropout is used twice */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const features = torch.tanh(this.dense.forward(this.dropout.forward(x, context), context));
    return this.projection.forward(this.dropout.forward(features, context), context);
  }
}

const classificationHead: HeadDesign<BertConfig> = {
  reads: "first",
  output: "classifier.out_proj",
  build(config, outputs) {
    const classifier = new ClassificationHead(config, outputs);
    return { modules: { classifier }, forward: (hidden, context) => classifier.forward(hidden, context) };
  },
};

// Model

function robertaLike(className: string, vocabSize: number): Architecture {
  return architecture<BertConfig>({
    className,
    prefix: "roberta",
    defaultTargetModules: ["query", "value"],
    parseConfig: (json) => parseConfig(json, vocabSize),
    backbone(config) {
      const { padTokenId } = config;
      return new EncoderModel(config, new Embeddings(config, positionsAfterPadding(padTokenId), padTokenId));
    },
    heads: { ForSequenceClassification: classificationHead },
  });
}

export const roberta = robertaLike("Roberta", 50265);
export const xlmRoberta = robertaLike("XLMRoberta", 30522);
export const camembert = robertaLike("Camembert", 30522);
