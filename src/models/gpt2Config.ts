import type { JsonObject } from "../files/json.js";
import type { ModelConfig } from "./backbone.js";
import { ConfigReader } from "./configReader.js";

export interface Gpt2Config extends ModelConfig {
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: string;
  readonly layerNormEpsilon: number;
  readonly embeddingDropout: number;
  readonly residualDropout: number;
  readonly attentionDropout: number;
  /** Attention's products are divided by the root of a head's size. */
  readonly scalesAttention: boolean;
  /** And by the layer's number, from 1. */
  readonly scalesByLayer: boolean;
  /** The output matrix is the table of embeddings. */
  readonly tiesEmbeddings: boolean;
}

/** The common names of sizes, which transformers takes for GPT-2's own, and before them. */
const COMMON_NAMES = {
  hidden_size: "n_embd",
  num_attention_heads: "n_head",
  num_hidden_layers: "n_layer",
  max_position_embeddings: "n_positions",
} as const;

function withOwnNames(json: JsonObject): JsonObject {
  const own = { ...json };
  for (const [common, name] of Object.entries(COMMON_NAMES)) {
    const value = json[common] ?? null;
    if (value !== null) own[name] = value;
  }
  return own;
}

/**
 * Reads a `config.json`; absent keys have transformers' defaults. `n_ctx` says nothing that `n_positions` does not, and
 * `reorder_and_upcast_attn` asks for scores in float32, which they always are.
 * @throws BidoraError `CONFIG` for a value of the wrong kind or one that is not supported
 */
export function parseGpt2Config(json: JsonObject): Gpt2Config {
  const read = new ConfigReader(withOwnNames(json));
  read.only("add_cross_attention", false);
  read.only("is_causal", true);
  const vocabSize = read.count("vocab_size", 50257);
  const heads = read.count("n_head", 12);
  const hiddenSize = read.multiple("n_embd", 768, ["n_head", heads]);
  const classifierDropout = read.probability("classifier_dropout", read.probability("hidden_dropout", 0.1));
  return {
    vocabSize,
    typeVocabSize: 0,
    layers: read.count("n_layer", 12),
    hiddenSize,
    maxTokens: read.count("n_positions", 1024),
    padTokenId: read.has("pad_token_id") ? read.id("pad_token_id", 0, vocabSize) : undefined,
    initializerRange: read.number("initializer_range", 0.02),
    classifierDropout,
    heads,
    intermediateSize: read.count("n_inner", 4 * hiddenSize),
    activation: read.text("activation_function", "gelu_new"),
    layerNormEpsilon: read.number("layer_norm_epsilon", 1e-5),
    embeddingDropout: read.probability("embd_pdrop", 0.1),
    residualDropout: read.probability("resid_pdrop", 0.1),
    attentionDropout: read.probability("attn_pdrop", 0.1),
    scalesAttention: read.flag("scale_attn_weights", true),
    scalesByLayer: read.flag("scale_attn_by_inverse_layer_idx", false),
    tiesEmbeddings: read.flag("tie_word_embeddings", true),
  };
}
