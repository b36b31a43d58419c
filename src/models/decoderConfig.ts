import type { JsonObject } from "../io/json.js";
import type { ModelConfig } from "./backbone.js";
import { ConfigReader, configError } from "./configReader.js";
import { hasOwnRope, type RopeDefaults, ropeOf } from "./ropeConfig.js";
import type { Rope } from "./ropeScalings.js";

/** Whether a layer's queries see everything before them, or a window. */
export const LAYER_TYPES = ["full_attention", "sliding_attention"] as const;
export type LayerType = (typeof LAYER_TYPES)[number];

/** The settings that Llama and its kin have in common. */
export interface DecoderConfig extends ModelConfig {
  readonly heads: number;
  /** Heads of keys and values. */
  readonly kvHeads: number;
  /** Numbers of a head. */
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly activation: string;
  readonly normEpsilon: number;
  readonly attentionDropout: number;
  /** Biases of the query, key and value products, of attention's output, and of the feed-forward products. */
  readonly queryBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** Queries and keys are normalised head by head. */
  readonly normsHeads: boolean;
  /** Of each layer. */
  readonly layerTypes: readonly LayerType[];
  /** Tokens that a sliding layer's query sees, itself among them. */
  readonly slidingWindow: number | undefined;
  readonly ropes: Readonly<Record<LayerType, Rope>>;
  readonly padTokenId: number | undefined;
  /** The output matrix is the table of embeddings. */
  readonly tiesEmbeddings: boolean;
}

/** What an architecture says where its configuration does not. */
export interface DecoderDefaults {
  readonly vocabSize: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly kvHeads?: number;
  readonly headSize?: number;
  readonly activationKey?: string;
  readonly activation?: string;
  readonly tiesEmbeddings?: boolean;
  readonly ropeTheta?: number;
}

/** What `parseDecoderConfig` leaves to the architecture. */
type Own = Pick<DecoderConfig, "queryBias" | "outputBias" | "mlpBias" | "normsHeads" | "layerTypes" | "slidingWindow">;

/**
 * Reads a `config.json`; absent keys have transformers' defaults.
 * @param own what the architecture reads itself
 * @throws BidoraError `CONFIG` for a value of the wrong kind or one that is not supported
 */
export function parseDecoderConfig(
  json: JsonObject,
  defaults: DecoderDefaults,
  own: (read: ConfigReader, layers: number) => Own,
): DecoderConfig {
  const read = new ConfigReader(json);
  const vocabSize = read.count("vocab_size", defaults.vocabSize);
  const heads = read.count("num_attention_heads", 32);
  const layers = read.count("num_hidden_layers", 32);
  const hiddenSize = read.count("hidden_size", 4096);
  const kvHeads = read.count("num_key_value_heads", defaults.kvHeads ?? heads);
  if (heads % kvHeads !== 0)
    throw configError(`num_attention_heads (${heads}) must be a multiple of num_key_value_heads (${kvHeads}).`);
  const maxPositions = read.count("max_position_embeddings", defaults.maxPositions);
  const headSize = headSizeOf(read, defaults, hiddenSize, heads);
  read.only("partial_rotary_factor", 1);
  return {
    vocabSize,
    typeVocabSize: 0,
    layers,
    hiddenSize,
    maxTokens: maxPositions,
    initializerRange: read.number("initializer_range", 0.02),
    classifierDropout: read.probability("classifier_dropout", read.probability("hidden_dropout", 0.1)),
    heads,
    kvHeads,
    headSize,
    intermediateSize: read.count("intermediate_size", defaults.intermediateSize),
    activation: read.text(defaults.activationKey ?? "hidden_act", defaults.activation ?? "silu"),
    normEpsilon: read.number("rms_norm_eps", 1e-6),
    attentionDropout: read.probability("attention_dropout", 0),
    ropes: ropesOf(json, { size: headSize, maxPositions, theta: defaults.ropeTheta }),
    padTokenId: read.has("pad_token_id") ? read.id("pad_token_id", 0, vocabSize) : undefined,
    tiesEmbeddings: read.flag("tie_word_embeddings", defaults.tiesEmbeddings ?? false),
    ...own(read, layers),
  };
}

function headSizeOf(read: ConfigReader, defaults: DecoderDefaults, hiddenSize: number, heads: number): number {
  if (read.has("head_dim")) return read.count("head_dim");
  if (defaults.headSize !== undefined) return defaults.headSize;
  read.multiple("hidden_size", hiddenSize, ["num_attention_heads", heads]);
  return hiddenSize / heads;
}

/** One rope for all layers, or one for each kind. */
function ropesOf(json: JsonObject, defaults: RopeDefaults): Readonly<Record<LayerType, Rope>> {
  const full = ropeOf(json, defaults, "full_attention");
  const isShared = !LAYER_TYPES.some((type) => hasOwnRope(json, type));
  return { full_attention: full, sliding_attention: isShared ? full : ropeOf(json, defaults, "sliding_attention") };
}

/** Every layer of one kind. */
export const layersOf = (type: LayerType, layers: number): LayerType[] => new Array<LayerType>(layers).fill(type);

/**
 * The kinds of layers that `layer_types` lists.
 * @param otherwise of a layer, where there is no list
 */
export function layerTypes(
  read: ConfigReader,
  layers: number,
  otherwise: (layer: number) => LayerType,
): readonly LayerType[] {
  if (!read.has("layer_types")) return Array.from({ length: layers }, (_, layer) => otherwise(layer));
  return read.choices("layer_types", layers, LAYER_TYPES);
}
