// RoBERTa, XLM-RoBERTa and CamemBERT.
// Shapes: N tokens of all rows.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { type Architecture, architecture } from "../architecture.js";
import { ENCODER_OUTPUTS, Encoder, EncoderModel, InputEmbeddings, positionsAfterPadding } from "../encoder.js";
import { classificationHead } from "../heads.js";
import { type BertConfig, parseBertConfig } from "./bert.js";

// Config

function parseConfig(json: JsonObject, vocabSize: number): BertConfig {
  return parseBertConfig(json, { vocabSize, padTokenId: 1, reservedPositions: (padTokenId) => padTokenId + 1 });
}

// Model

function robertaLike(className: string, vocabSize: number): Architecture {
  return architecture<BertConfig>({
    className,
    prefix: "roberta",
    defaultTargetModules: ["query", "value"],
    subLayerOutputs: ENCODER_OUTPUTS,
    parseConfig: (json) => parseConfig(json, vocabSize),
    backbone(config) {
      const { padTokenId } = config;
      const embeddings = new InputEmbeddings(config, positionsAfterPadding(padTokenId), padTokenId);
      return new EncoderModel(embeddings, new Encoder(config));
    },
    heads: { ForSequenceClassification: classificationHead(torch.tanh) },
  });
}

export const roberta = robertaLike("Roberta", 50265);
export const xlmRoberta = robertaLike("XLMRoberta", 30522);
export const camembert = robertaLike("Camembert", 30522);
