// Shapes: N tokens of all rows, B rows, H hidden size.
import type { JsonObject } from "../io/json.js";
import { Dropout, type ForwardContext, Linear, Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, CLASSIFIER } from "./architecture.js";
import { type BertConfig, parseBertConfig } from "./bertConfig.js";
import { Embeddings } from "./embeddings.js";
import { Encoder } from "./encoder.js";
import { type Head, isSequenceHead, taskClass, toHead } from "./head.js";
import type { ModelInput } from "./input.js";
import { TaskModel } from "./taskModel.js";
import { candidateNames } from "./weightNames.js";

// Config

function parseConfig(json: JsonObject): BertConfig {
  return parseBertConfig(json, { vocabSize: 30522, padTokenId: 0, reservedPositions: () => 0 });
}

// Parts

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

class Bert extends Module {
  readonly embeddings: Embeddings;
  readonly encoder: Encoder;
  readonly pooler: Pooler | undefined;

  constructor(config: BertConfig, hasPooler: boolean) {
    super();
    this.embeddings = this.child("embeddings", new Embeddings(config, (input) => input.positions));
    this.encoder = this.child("encoder", new Encoder(config));
    this.pooler = hasPooler ? this.child("pooler", new Pooler(config.hiddenSize)) : undefined;
  }
}

// Model

/** Pooled first token (or every token), dropout, classifier. */
class BertTaskModel extends TaskModel {
  private readonly bert: Bert;
  private readonly dropout: Dropout;
  private readonly classifier: Linear;

  constructor(
    readonly config: BertConfig,
    readonly head: Head,
  ) {
    super();
    this.bert = this.child("bert", new Bert(config, isSequenceHead(head.kind)));
    this.dropout = this.child("dropout", new Dropout(config.classifierDropout));
    this.classifier = this.child(CLASSIFIER, new Linear(config.hiddenSize, head.labels.length));
  }

  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    const { embeddings, encoder, pooler } = this.bert;
    const embedded = embeddings.forward(input, context);
    const hidden = toHead(encoder.forward(embedded, input.layout, context, pooler && input.layout.first));
    const features = pooler ? pooler.forward(hidden, context) : hidden;
    return this.classifier.forward(this.dropout.forward(features, context), context);
  }

  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    return this.bert.encoder.states(this.bert.embeddings.forward(input, context), input.layout, context);
  }
}

// Weight names

export const bert: Architecture = {
  parseConfig,
  build: (json, head) => new BertTaskModel(parseConfig(json), head),
  defaultTargetModules: ["query", "value"],
  headModules: (kind) => (isSequenceHead(kind) ? ["bert.pooler", CLASSIFIER] : [CLASSIFIER]),
  architectureName: (kind) => `Bert${taskClass(kind)}`,
  checkpointNames: (path) => candidateNames(path, "bert."),
};
