import type { JsonObject } from "../files/json.js";
import type { ModelConfig } from "./backbone.js";
import { ConfigReader, configError, type LayerType } from "./configReader.js";
import { type Ropes, ropeOf, sameRope } from "./rope.js";

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
  /** Of what a sub-layer adds. */
  readonly residualDropout: number;
  /** What products of queries and keys are multiplied by. Undefined: 1 / √headSize. */
  readonly attentionScale: number | undefined;
  /** What embeddings are multiplied by. Undefined: nothing. */
  readonly embeddingScale: number | undefined;
  /** Biases of the query, key and value products, of attention's output, and of the feed-forward products. */
  readonly queryBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** Queries, keys and values are one product in the checkpoint, and so are gate and up. */
  readonly fusesProjections: boolean;
  /** Queries and keys are normalised head by head. */
  readonly normsHeads: boolean;
  /** What a sub-layer gives is normalised too. */
  readonly normsOutputs: boolean;
  /** Weights of norms are offsets from 1. */
  readonly normsFromOne: boolean;
  /** Of each layer. */
  readonly layerTypes: readonly LayerType[];
  /** Tokens that a sliding layer's query sees, itself among them. */
  readonly slidingWindow: number | undefined;
  readonly ropes: Ropes;
  readonly padTokenId: number | undefined;
  /** The output matrix is the table of embeddings. */
  readonly tiesEmbeddings: boolean;
}

/** What an architecture says where its configuration does not. */
interface DecoderDefaults {
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

/** What only some architectures have otherwise. */
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
};

/** What `parseDecoderConfig` leaves to the architecture. */
type Own = Pick<DecoderConfig, "layerTypes"> & Partial<Pick<DecoderConfig, keyof typeof PLAIN>>;

/**
 * Reads a `config.json`; absent keys have transformers' defaults.
 * @param own what the architecture reads itself
 * @throws BidoraError `CONFIG` for a value of the wrong kind or one that is not supported
 */
export function parseDecoderConfig(
  json: JsonObject,
  given: DecoderDefaults,
  own: (read: ConfigReader, layers: number) => Own,
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
    kvHeads: kvHeadsOf(json, defaults, heads),
    headSize,
    intermediateSize: read.count("intermediate_size", defaults.intermediateSize),
    activation: read.text(defaults.activationKey ?? "hidden_act", defaults.activation ?? "silu"),
    normEpsilon: read.number("rms_norm_eps", defaults.normEpsilon),
    attentionDropout: read.probability("attention_dropout", 0),
    ropes: defaults.ropes?.(json, sizes) ?? sameRope(ropeOf(json, sizes)),
    padTokenId: padTokenOf(json, vocabSize, defaults.padTokenId),
    tiesEmbeddings: read.flag("tie_word_embeddings", defaults.tiesEmbeddings ?? false),
    ...PLAIN,
    ...withWindow(own(read, layers)),
  };
}

/** Layers that see a window need one. */
function withWindow(own: Own): Own {
  if (own.slidingWindow !== undefined || !own.layerTypes.includes("sliding_attention")) return own;
  throw configError("layer_types has sliding_attention, but there is no sliding_window that is on.");
}

function headSizeOf(read: ConfigReader, defaults: DecoderDefaults, hiddenSize: number, heads: number): number {
  if (read.has("head_dim")) return read.count("head_dim");
  if (defaults.headSize !== undefined) return defaults.headSize;
  read.multiple("hidden_size", hiddenSize, ["num_attention_heads", heads]);
  return hiddenSize / heads;
}

/** Without the key, the architecture's own number; `null` stands for one of each head. */
function kvHeadsOf(json: JsonObject, defaults: DecoderDefaults, heads: number): number {
  const otherwise = json.num_key_value_heads === null ? heads : (defaults.kvHeads ?? heads);
  const kvHeads = new ConfigReader(json).count("num_key_value_heads", otherwise);
  if (heads % kvHeads === 0) return kvHeads;
  throw configError(`num_attention_heads (${heads}) must be a multiple of num_key_value_heads (${kvHeads}).`);
}

/** Without the key, the architecture's own; `null` stands for none. */
function padTokenOf(json: JsonObject, vocabSize: number, otherwise: number | undefined): number | undefined {
  const id = json.pad_token_id === undefined ? otherwise : (json.pad_token_id ?? undefined);
  return id === undefined ? undefined : new ConfigReader({ pad_token_id: id }).id("pad_token_id", 0, vocabSize);
}

/** Tokens that a query sees: `null` stands for all, and what `otherwise` says for no such key. */
export function slidingWindowOf(json: JsonObject, otherwise: number | undefined): number | undefined {
  const { sliding_window: given } = json;
  if (given === null || (given === undefined && otherwise === undefined)) return undefined;
  return new ConfigReader(json).count("sliding_window", otherwise);
}

/** Every layer of one kind: all see a window where there is one. */
export function layersAlike(layers: number, slidingWindow: number | undefined): Own {
  const type = slidingWindow === undefined ? "full_attention" : "sliding_attention";
  return { layerTypes: new Array<LayerType>(layers).fill(type), slidingWindow };
}
