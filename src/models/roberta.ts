// Shapes: N tokens of all rows.
import type { JsonObject } from "../io/json.js";
import * as torch from "../torch/index.js";
import { type Architecture, architecture } from "./architecture.js";
import { type BertConfig, parseBertConfig } from "./bertConfig.js";
import { classificationHead } from "./classificationHead.js";
import { Embeddings, type PositionRule } from "./embeddings.js";
import { Encoder } from "./encoder.js";
import { EncoderModel } from "./encoderModel.js";

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
    const rowStarts = torch.sub(torch.arange(inputIds.numel), positionIds); // N, flat index of the row's first token
    const before = torch.indexSelect(torch.sub(upTo, torch.to(counts, "int64")), 0, rowStarts);
    return torch.addScalar(torch.mul(torch.sub(upTo, before), counts), padTokenId);
  };
}

// Model

function robertaLike(className: string, vocabSize: number): Architecture {
  return architecture<BertConfig>({
    className,
    prefix: "roberta",
    defaultTargetModules: ["query", "value"],
    parseConfig: (json) => parseConfig(json, vocabSize),
    backbone(config) {
      const { padTokenId } = config;
      const embeddings = new Embeddings(config, positionsAfterPadding(padTokenId), padTokenId);
      return new EncoderModel(embeddings, new Encoder(config));
    },
    heads: { ForSequenceClassification: classificationHead(torch.tanh) },
  });
}

export const roberta = robertaLike("Roberta", 50265);
export const xlmRoberta = robertaLike("XLMRoberta", 30522);
export const camembert = robertaLike("Camembert", 30522);
