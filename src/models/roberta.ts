// Shapes: N tokens of all rows, B rows, H hidden size.
import type { JsonObject } from "../io/json.js";
import { Dropout, type ForwardContext, Linear, Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, CLASSIFIER } from "./architecture.js";
import { type BertConfig, parseBertConfig } from "./bertConfig.js";
import { Embeddings, type PositionRule } from "./embeddings.js";
import { Encoder } from "./encoder.js";
import { type Head, isSequenceHead, taskClass, toHead } from "./head.js";
import type { ModelInput } from "./input.js";
import { TaskModel } from "./taskModel.js";
import { candidateNames } from "./weightNames.js";

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
  return ({ ids, positions }) => {
    const counts = torch.neScalar(ids, padTokenId);
    const upTo = torch.cumsum(counts, 0); // N, this token included
    const rowStarts = torch.sub(torch.arange(ids.numel), positions); // N, flat place of the row's first token
    const before = torch.indexSelect(torch.sub(upTo, torch.to(counts, "int64")), 0, rowStarts);
    return torch.addScalar(torch.mul(torch.sub(upTo, before), counts), padTokenId);
  };
}

class Roberta extends Module {
  readonly embeddings: Embeddings;
  readonly encoder: Encoder;

  constructor(config: BertConfig) {
    super();
    const { padTokenId } = config;
    this.embeddings = this.child("embeddings", new Embeddings(config, positionsAfterPadding(padTokenId), padTokenId));
    this.encoder = this.child("encoder", new Encoder(config));
  }
}

class ClassificationHead extends Module {
  private readonly dense: Linear;
  private readonly dropout: Dropout;
  private readonly projection: Linear;

  constructor(config: BertConfig, labels: number) {
    super();
    this.dense = this.child("dense", new Linear(config.hiddenSize, config.hiddenSize));
    this.dropout = this.child("dropout", new Dropout(config.classifierDropout));
    this.projection = this.child("out_proj", new Linear(config.hiddenSize, labels));
  }

  /** x: B,H → [B, labels]; the one dropout is used twice */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const features = torch.tanh(this.dense.forward(this.dropout.forward(x, context), context));
    return this.projection.forward(this.dropout.forward(features, context), context);
  }
}

// Model

abstract class RobertaTaskModel extends TaskModel {
  protected readonly roberta: Roberta;

  constructor(
    readonly config: BertConfig,
    readonly head: Head,
  ) {
    super();
    this.roberta = this.child("roberta", new Roberta(config));
  }

  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    return this.roberta.encoder.states(this.roberta.embeddings.forward(input, context), input.layout, context);
  }

  /** In the head's precision: N,H, or K,H for the places in `only` */
  protected encode(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const embedded = this.roberta.embeddings.forward(input, context);
    return toHead(this.roberta.encoder.forward(embedded, input.layout, context, only));
  }
}

class RobertaSequenceModel extends RobertaTaskModel {
  private readonly classifier: ClassificationHead;

  constructor(config: BertConfig, head: Head) {
    super(config, head);
    this.classifier = this.child(CLASSIFIER, new ClassificationHead(config, head.labels.length));
  }

  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.classifier.forward(this.encode(input, context, input.layout.first), context);
  }
}

class RobertaTokenModel extends RobertaTaskModel {
  private readonly dropout: Dropout;
  private readonly classifier: Linear;

  constructor(config: BertConfig, head: Head) {
    super(config, head);
    this.dropout = this.child("dropout", new Dropout(config.classifierDropout));
    this.classifier = this.child(CLASSIFIER, new Linear(config.hiddenSize, head.labels.length));
  }

  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.classifier.forward(this.dropout.forward(this.encode(input, context), context), context);
  }
}

function build(config: BertConfig, head: Head): TaskModel {
  return isSequenceHead(head.kind) ? new RobertaSequenceModel(config, head) : new RobertaTokenModel(config, head);
}

// Weight names

function robertaLike(className: string, vocabSize: number): Architecture {
  return {
    parseConfig: (json) => parseConfig(json, vocabSize),
    build: (json, head) => build(parseConfig(json, vocabSize), head),
    defaultTargetModules: ["query", "value"],
    headModules: () => [CLASSIFIER],
    architectureName: (kind) => className + taskClass(kind),
    checkpointNames: (path) => candidateNames(path, "roberta."),
  };
}

export const roberta = robertaLike("Roberta", 50265);
export const xlmRoberta = robertaLike("XLMRoberta", 30522);
export const camembert = robertaLike("Camembert", 30522);
