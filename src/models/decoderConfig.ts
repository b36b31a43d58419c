// The configuration of Llama-like decoders.

import type { JsonObject } from "../base/records/index.js";
import type { ModelConfig } from "./backbone.js";
import { ConfigReader, configError, type LayerType } from "./configReader.js";
import { type Ropes, ropeOf, sameRope } from "./rope.js";

/** The configuration of a Llama-like decoder. */
export interface DecoderConfig extends ModelConfig {
  readonly heads: number;
  /** Number of key and value heads. */
  readonly kvHeads: number;
  /** Dimensions per head. */
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly activation: string;
  readonly normEpsilon: number;
  readonly attentionDropout: number;
  /** Dropout on the output of each sub-layer. */
  readonly residualDropout: number;
  /** Scale of attention scores. Undefined: 1 / √headSize. */
  readonly attentionScale: number | undefined;
  /** Scale of embeddings. Undefined: 1. */
  readonly embeddingScale: number | undefined;
  /** Whether there are biases in query, key and value projections, in the attention output, and in the MLP. */
  readonly queryBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** Whether query, key and value projections are fused in the checkpoint, and gate and up projections too. */
  readonly fusesProjections: boolean;
  /** Whether each head of queries and keys is normalized. */
  readonly normsHeads: boolean;
  /** Whether outputs of sub-layers are normalized too. */
  readonly normsOutputs: boolean;
  /** Whether weights of norms are offsets from 1. */
  readonly normsFromOne: boolean;
  /** The type of each layer. */
  readonly layerTypes: readonly LayerType[];
  /** Number of tokens that a query in a sliding-window layer attends to, including itself. */
  readonly slidingWindow: number | undefined;
  readonly ropes: Ropes;
  /** Whether each layer rotates queries and keys. Undefined: all do. */
  readonly rotatesIn: readonly boolean[] | undefined;
  readonly padTokenId: number | undefined;
  /** Whether the output matrix is the embedding table. */
  readonly tiesEmbeddings: boolean;
}

/** An architecture's defaults for missing keys. */
export interface DecoderDefaults {
  readonly vocabSize: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly hiddenSize?: number;
  readonly layers?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly headSize?: number;
  readonly normEpsilon?: number;
  readonly activationKey?: string;
  readonly activation?: string;
  readonly tiesEmbeddings?: boolean;
  readonly padTokenId?: number;
  readonly ropes?: (json: JsonObject, sizes: { readonly headSize: number; readonly maxPositions: number }) => Ropes;
}

const LLAMA_SIZES = { hiddenSize: 4096, layers: 32, heads: 32, normEpsilon: 1e-6 };

/** Settings that only some architectures change. */
const PLAIN = {
  attentionScale: undefined,
  embeddingScale: undefined,
  residualDropout: 0,
  queryBias: false,
  outputBias: false,
  mlpBias: false,
  fusesProjections: false,
  normsHeads: false,
  normsOutputs: false,
  normsFromOne: false,
  slidingWindow: undefined,
  rotatesIn: undefined,
};

/** Settings that an architecture reads itself. */
export type OwnSettings = Pick<DecoderConfig, "layerTypes"> & Partial<Pick<DecoderConfig, keyof typeof PLAIN>>;

/**
 * Reads a `config.json`; missing keys have transformers' defaults.
 * @param own reads the settings that differ between architectures
 * @throws BidoraError `CONFIG` for a value that is invalid or not supported
 */
export function parseDecoderConfig(
  json: JsonObject,
  given: DecoderDefaults,
  own: (read: ConfigReader, layers: number) => OwnSettings,
): DecoderConfig {
  const defaults = { ...LLAMA_SIZES, ...given };
  const read = new ConfigReader(json);
  read.only("is_causal", true);
  read.only("token_classification_bias", true);
  for (const key of ["num_experts", "num_local_experts"]) read.absent(key);
  const vocabSize = read.count("vocab_size", defaults.vocabSize);
  const heads = read.count("num_attention_heads", defaults.heads);
  const layers = read.count("num_hidden_layers", defaults.layers);
  const hiddenSize = read.count("hidden_size", defaults.hiddenSize);
  const maxPositions = read.count("max_position_embeddings", defaults.maxPositions);
  const headSize = headSizeOf(read, defaults, hiddenSize, heads);
  const sizes = { headSize, maxPositions };
  return {
    vocabSize,
    typeVocabSize: 0,
    layers,
    hiddenSize,
    maxTokens: maxPositions,
    initializerRange: read.number("initializer_range", 0.02),
    classifierDropout: read.probability("classifier_dropout", read.probability("hidden_dropout", 0.1)),
    heads,
    kvHeads: kvHeadsOf(read, defaults, heads),
    headSize,
    intermediateSize: read.count("intermediate_size", defaults.intermediateSize),
    activation: read.text(defaults.activationKey ?? "hidden_act", defaults.activation ?? "silu"),
    normEpsilon: read.number("rms_norm_eps", defaults.normEpsilon),
    attentionDropout: read.probability("attention_dropout", 0),
    ropes: defaults.ropes?.(json, sizes) ?? sameRope(ropeOf(json, sizes)),
    padTokenId: padTokenOf(read, vocabSize, defaults.padTokenId),
    tiesEmbeddings: read.flag("tie_word_embeddings", defaults.tiesEmbeddings ?? false),
    ...PLAIN,
    ...withWindow(own(read, layers)),
  };
}

/** Checks that sliding-window layers have a window. */
function withWindow(own: OwnSettings): OwnSettings {
  if (own.slidingWindow !== undefined || !own.layerTypes.includes("sliding_attention")) return own;
  throw configError("layer_types has sliding_attention, but there is no sliding_window that is on.");
}

function headSizeOf(read: ConfigReader, defaults: DecoderDefaults, hiddenSize: number, heads: number): number {
  if (read.has("head_dim")) return read.count("head_dim");
  if (defaults.headSize !== undefined) return defaults.headSize;
  read.multiple("hidden_size", hiddenSize, ["num_attention_heads", heads]);
  return hiddenSize / heads;
}

/** The architecture's default for a missing key; for `null`, the number of heads. */
function kvHeadsOf(read: ConfigReader, defaults: DecoderDefaults, heads: number): number {
  const otherwise = read.isNull("num_key_value_heads") ? heads : (defaults.kvHeads ?? heads);
  const kvHeads = read.count("num_key_value_heads", otherwise);
  if (heads % kvHeads === 0) return kvHeads;
  throw configError(`num_attention_heads (${heads}) must be a multiple of num_key_value_heads (${kvHeads}).`);
}

/** The architecture's default for a missing key; none for `null`. */
function padTokenOf(read: ConfigReader, vocabSize: number, otherwise: number | undefined): number | undefined {
  const isNone = read.isNull("pad_token_id") || !(read.has("pad_token_id") || otherwise !== undefined);
  return isNone ? undefined : read.id("pad_token_id", otherwise ?? 0, vocabSize);
}

/** The size of the sliding window: none for `null`, `otherwise` for a missing key. */
export function slidingWindowOf(read: ConfigReader, otherwise?: number): number | undefined {
  const isNone = read.isNull("sliding_window") || !(read.has("sliding_window") || otherwise !== undefined);
  return isNone ? undefined : read.count("sliding_window", otherwise);
}

/** The same type for every layer: sliding-window attention if there is a window. */
export function uniformLayers(layers: number, slidingWindow?: number): OwnSettings {
  const type = slidingWindow === undefined ? "full_attention" : "sliding_attention";
  return { layerTypes: new Array<LayerType>(layers).fill(type), slidingWindow };
}
