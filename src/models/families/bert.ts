// BERT, and the configuration that BERT-like encoders share.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import type { ModelConfig } from "../backbone.js";
import { ConfigReader, configError } from "../configReader.js";
import {
  ActivatedDense,
  type EmbeddingsConfig,
  ENCODER_OUTPUTS,
  Encoder,
  type EncoderConfig,
  EncoderModel,
  InputEmbeddings,
} from "../encoder.js";
import { classifierAfter } from "../heads.js";

// Config

/** The configuration of BERT-like encoders. */
export interface BertConfig extends ModelConfig, EncoderConfig, EmbeddingsConfig {
  readonly padTokenId: number;
}

interface BertDefaults {
  readonly vocabSize: number;
  readonly padTokenId: number;
  /** Number of rows at the start of the position table that are reserved for padding. */
  readonly reservedPositions?: (padTokenId: number) => number;
  /** Sizes; BERT base by default. */
  readonly hiddenSize?: number;
  readonly heads?: number;
  readonly intermediateSize?: number;
  readonly layers?: number;
  readonly layerNormEpsilon?: number;
  /** Given for architectures that can have no token types. */
  readonly typeVocabSize?: number;
}

const BERT_BASE = {
  hiddenSize: 768,
  heads: 12,
  intermediateSize: 3072,
  layers: 12,
  layerNormEpsilon: 1e-12,
  reservedPositions: () => 0,
};

/**
 * Reads a `config.json`; missing keys have transformers' defaults.
 * @throws BidoraError `CONFIG` for an invalid value, and for decoders, cross-attention and relative positions
 */
export function parseBertConfig(json: JsonObject, given: BertDefaults): BertConfig {
  const defaults = { ...BERT_BASE, ...given };
  const { typeVocabSize: types } = given;
  const read = new ConfigReader(json);
  read.only("is_decoder", false);
  read.only("add_cross_attention", false);
  read.only("position_embedding_type", "absolute");
  const hiddenDropout = read.probability("hidden_dropout_prob", 0.1);
  const vocabSize = read.count("vocab_size", defaults.vocabSize);
  const padTokenId = read.id("pad_token_id", defaults.padTokenId, vocabSize);
  const positions = read.count("max_position_embeddings", 512);
  const heads = read.count("num_attention_heads", defaults.heads);
  const config = {
    vocabSize,
    hiddenSize: read.multiple("hidden_size", defaults.hiddenSize, ["num_attention_heads", heads]),
    layers: read.count("num_hidden_layers", defaults.layers),
    heads,
    intermediateSize: read.count("intermediate_size", defaults.intermediateSize),
    activation: read.text("hidden_act", "gelu"),
    layerNormEpsilon: read.number("layer_norm_eps", defaults.layerNormEpsilon),
    hiddenDropout,
    attentionDropout: read.probability("attention_probs_dropout_prob", 0.1),
    classifierDropout: read.probability("classifier_dropout", hiddenDropout),
    positions,
    maxTokens: positions - defaults.reservedPositions(padTokenId),
    typeVocabSize: types === undefined ? read.count("type_vocab_size", 2) : read.wholeNumber("type_vocab_size", types),
    padTokenId,
    initializerRange: read.number("initializer_range", 0.02),
  };
  if (config.maxTokens >= 1) return config;
  throw configError(
    `max_position_embeddings (${positions}) leaves no position for tokens after those reserved for padding.`,
  );
}

function parseConfig(json: JsonObject): BertConfig {
  return parseBertConfig(json, { vocabSize: 30522, padTokenId: 0 });
}

// Model

export const bert = architecture<BertConfig>({
  className: "Bert",
  prefix: "bert",
  defaultTargetModules: ["query", "value"],
  subLayerOutputs: ENCODER_OUTPUTS,
  parseConfig,
  backbone: (config) => new EncoderModel(new InputEmbeddings(config), new Encoder(config)),
  heads: {
    ForSequenceClassification: classifierAfter(
      "bert.pooler",
      ({ hiddenSize }) => new ActivatedDense(hiddenSize, hiddenSize, torch.tanh),
      (config) => config.classifierDropout,
    ),
  },
});
