// ESM-1b and ESM-2 (proteins).
// Shapes: N tokens of all rows, K tokens kept, H hidden size, I intermediate size.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { gelu } from "../../torch/operators/index.js";
import { architecture } from "../architecture.js";
import { LayerStack, type ModelConfig, type ModelInput, StackLayer, selectTokens } from "../backbone.js";
import { ConfigReader, configError } from "../configReader.js";
import {
  ActivatedDense,
  ENCODER_OUTPUTS,
  EncoderModel,
  type PositionRule,
  positionsAfterPadding,
  SelfAttention,
} from "../encoder.js";
import { classificationHead } from "../heads.js";
import {
  addThenNorm,
  Dropout,
  Embedding,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  type Parameter,
  type RotaryTables,
  type RowLayout,
  rotaryTables,
} from "../nn/index.js";
import { ropeOf } from "../rope.js";

// Config

export interface EsmConfig extends ModelConfig {
  readonly heads: number;
  readonly intermediateSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly padTokenId: number | undefined;
  /** Rows of the position table; undefined for rotary positions. */
  readonly positions: number | undefined;
  /** Rotary frequencies: [D / 2] for heads of size D. */
  readonly frequencies: Float32Array | undefined;
  /** The mask token, for token dropout; undefined without token dropout. */
  readonly maskTokenId: number | undefined;
  readonly normsEmbeddings: boolean;
}

const POSITIONS = ["absolute", "rotary"];

function parseConfig(json: JsonObject): EsmConfig {
  const read = new ConfigReader(json);
  for (const key of ["is_folding_model", "is_decoder", "add_cross_attention"]) read.only(key, false);
  const vocabSize = read.count("vocab_size");
  const heads = read.count("num_attention_heads", 12);
  const hiddenSize = read.multiple("hidden_size", 768, ["num_attention_heads", heads]);
  const hiddenDropout = read.probability("hidden_dropout_prob", 0.1);
  return {
    vocabSize,
    hiddenSize,
    layers: read.count("num_hidden_layers", 12),
    heads,
    intermediateSize: read.count("intermediate_size", 3072),
    layerNormEpsilon: read.number("layer_norm_eps", 1e-12),
    hiddenDropout,
    attentionDropout: read.probability("attention_probs_dropout_prob", 0.1),
    classifierDropout: hiddenDropout,
    typeVocabSize: 0,
    padTokenId: read.has("pad_token_id") ? read.id("pad_token_id", 0, vocabSize) : undefined,
    maskTokenId: read.flag("token_dropout", false) ? maskToken(read, vocabSize) : undefined,
    normsEmbeddings: read.flag("emb_layer_norm_before", false),
    initializerRange: read.number("initializer_range", 0.02),
    ...parsePositions(json, read, hiddenSize / heads),
  };
}

function maskToken(read: ConfigReader, vocabSize: number): number {
  if (read.has("mask_token_id")) return read.id("mask_token_id", 0, vocabSize);
  throw configError("token_dropout requires a mask_token_id, but there is none.");
}

function parsePositions(
  json: JsonObject,
  read: ConfigReader,
  headSize: number,
): Pick<EsmConfig, "positions" | "frequencies" | "maxTokens"> {
  const type = read.text("position_embedding_type", "absolute");
  const positions = read.count("max_position_embeddings", 1026);
  if (!POSITIONS.includes(type)) {
    throw configError(
      `position_embedding_type ${JSON.stringify(type)} is not supported; supported are ${POSITIONS.join(", ")}.`,
    );
  }
  if (type === "absolute") {
    const padTokenId = read.wholeNumber("pad_token_id");
    return { positions, frequencies: undefined, maxTokens: positions - padTokenId - 1 };
  }
  for (const key of ["rope_scaling", "rope_parameters"]) read.absent(key);
  read.only("head_dim", headSize);
  const rope = ropeOf(json, { headSize, maxPositions: positions });
  return { positions: undefined, frequencies: rope.frequencies(0), maxTokens: Number.POSITIVE_INFINITY };
}

// Embeddings

/** The share of tokens that were not masked in pretraining. */
export const UNMASKED = 1 - 0.15 * 0.8;

class Embeddings extends Module {
  private readonly words: Embedding;
  private readonly positions: Embedding | undefined;
  private readonly positionsOf: PositionRule;
  private readonly norm: LayerNorm | undefined;
  private readonly maskTokenId: number | undefined;

  constructor({ hiddenSize, vocabSize, padTokenId, positions, ...config }: EsmConfig) {
    super();
    this.words = this.child("word_embeddings", new Embedding(vocabSize, hiddenSize, padTokenId));
    this.positionsOf = positionsAfterPadding(padTokenId ?? 0);
    if (positions !== undefined)
      this.positions = this.child("position_embeddings", new Embedding(positions, hiddenSize, padTokenId));
    if (config.normsEmbeddings)
      this.norm = this.child("layer_norm", new LayerNorm(hiddenSize, config.layerNormEpsilon));
    this.maskTokenId = config.maskTokenId;
  }

  /** → N,H */
  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    const words = this.words.forward(input.inputIds, context);
    const scaled = this.maskTokenId === undefined ? words : scaleUnmasked(words, input, this.maskTokenId);
    const placed = this.positions
      ? torch.add(scaled, this.positions.forward(this.positionsOf(input), context))
      : scaled;
    return this.norm ? this.norm.forward(placed) : placed;
  }
}

/**
 * Token dropout: mask tokens become zero, and other tokens are scaled to the share of masks in pretraining. Also in evaluation.
 * words: N,H → the same
 */
function scaleUnmasked(words: torch.Tensor, { ids, layout }: ModelInput, maskTokenId: number): torch.Tensor {
  const factors = new Float64Array(ids.length);
  let start = 0;
  for (const length of layout.lengths) {
    const row = ids.subarray(start, start + length);
    const masked = Math.fround(row.filter((id) => id === maskTokenId).length / length);
    for (const [i, id] of row.entries())
      factors[start + i] = id === maskTokenId ? 0 : UNMASKED / Math.fround(1 - masked);
    start += length;
  }
  const wide = words.dtype === "float64" ? "float64" : "float32";
  const column = torch.tensor(factors, [ids.length, 1], wide, words.device);
  return torch.castTo(torch.mul(torch.castTo(words, wide), column), words.dtype);
}

// Layers

/** What all layers share about the batch. */
interface EsmRows {
  readonly layout: RowLayout;
  readonly rotary: RotaryTables | undefined;
}

/** A linear layer, with the dropout that the residual sum applies. */
class Output extends Module {
  private readonly dense: Linear;
  readonly dropout: Dropout;

  constructor(inFeatures: number, { hiddenSize, hiddenDropout }: EsmConfig) {
    super();
    this.dense = this.child("dense", new Linear(inFeatures, hiddenSize));
    this.dropout = this.child("dropout", new Dropout(hiddenDropout));
  }

  /** x: N,I → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.dense.forward(x, context);
  }
}

class Attention extends Module {
  private readonly attention: SelfAttention;
  private readonly output: Output;
  private readonly norm: LayerNorm;

  constructor(config: EsmConfig) {
    super();
    this.attention = this.child("self", new SelfAttention(config));
    this.output = this.child("output", new Output(config.hiddenSize, config));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
  }

  get dropout(): Dropout {
    return this.output.dropout;
  }

  /** The residual sum applies its dropout. x: N,H → N,H, or K,H for only the selected tokens */
  forward(x: torch.Tensor, rows: EsmRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const mixed = this.attention.forward(this.norm.forward(x), rows.layout, context, rows);
    return this.output.forward(selectTokens(mixed, only), context);
  }
}

/** A pre-norm layer. */
class Layer extends StackLayer<EsmRows> {
  private readonly attention: Attention;
  private readonly norm: LayerNorm;
  private readonly intermediate: ActivatedDense;
  private readonly output: Output;

  constructor(config: EsmConfig) {
    super();
    this.attention = this.child("attention", new Attention(config));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    const { hiddenSize, intermediateSize } = config;
    this.intermediate = this.child("intermediate", new ActivatedDense(hiddenSize, intermediateSize, gelu));
    this.output = this.child("output", new Output(intermediateSize, config));
  }

  forward(x: torch.Tensor, rows: EsmRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const { attention, norm, intermediate, output } = this;
    const attended = attention.forward(x, rows, context, only);
    const { sum, normed } = addThenNorm(attended, selectTokens(x, only), { dropout: attention.dropout, norm, context });
    const fed = output.forward(intermediate.forward(normed, context), context);
    return torch.add(output.dropout.forward(fed, context), sum);
  }
}

// Model

/** Rotary frequencies, as a buffer: checkpoints may hold rounded values from pretraining. */
class Rotary extends Module {
  private readonly frequencies: Parameter;

  constructor(frequencies: Float32Array) {
    super();
    this.frequencies = this.buffer("inv_freq", torch.keep(torch.tensor(frequencies)));
  }

  tables({ positionIds }: ModelInput, dtype: torch.DType): RotaryTables {
    return torch.noGrad(() => rotaryTables(positionIds, this.frequencies.tensor, 1, dtype));
  }
}

class EsmModel extends EncoderModel<EsmRows> {
  private readonly rotary: Rotary | undefined;

  constructor(config: EsmConfig) {
    const layers = Array.from({ length: config.layers }, () => new Layer(config));
    const norm = new LayerNorm(config.hiddenSize, config.layerNormEpsilon);
    const final = { name: "encoder.emb_layer_norm_after", norm };
    super(new Embeddings(config), new LayerStack(layers), "encoder.layer", final);
    // Predicts contacts. Unused here, but kept in merged models, and `all-linear` includes it as in PEFT.
    this.child("contact_head.regression", new Linear(config.layers * config.heads, 1, { isUnused: true }));
    if (config.frequencies) this.rotary = this.child("rotary_embeddings", new Rotary(config.frequencies));
  }

  protected override rowsOf(input: ModelInput, _context: ForwardContext, dtype: torch.DType): EsmRows {
    return { layout: input.layout, rotary: this.rotary?.tables(input, dtype) };
  }
}

/** transformers 5 writes the star. */
const OLD_FREQUENCIES = ["*", "0"].map(
  (layer) => `esm.encoder.layer.${layer}.attention.self.rotary_embeddings.inv_freq`,
);

export const esm = architecture<EsmConfig>({
  className: "Esm",
  prefix: "esm",
  defaultTargetModules: ["query", "value"],
  subLayerOutputs: ENCODER_OUTPUTS,
  otherNames: { "esm.rotary_embeddings.inv_freq": OLD_FREQUENCIES },
  parseConfig,
  backbone: (config) => new EsmModel(config),
  heads: { ForSequenceClassification: classificationHead(torch.tanh), ForQuestionAnswering: null },
});
