// ModernBERT.
// Shapes: N tokens of all rows, K tokens kept, H hidden size, I intermediate size.

import { isJsonObject, type JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import { LayerStack, type ModelConfig, type ModelInput, StackLayer, selectTokens } from "../backbone.js";
import { ConfigReader, configError, type LayerType, layerTypes } from "../configReader.js";
import { EncoderModel } from "../encoder.js";
import { classifierAfter, type HeadDesign, type Reads } from "../heads.js";
import {
  type Activation,
  activation,
  addThenNorm,
  attend,
  Dropout,
  Embedding,
  type ForwardContext,
  type GatedActivation,
  gatedActivation,
  LayerNorm,
  Linear,
  Module,
  partsOf,
  type RotaryTables,
  type RowLayout,
  rotate,
} from "../nn/index.js";
import { type Rope, type Ropes, ropeOfLayers, ropeTables } from "../rope.js";

// Config

export interface ModernBertConfig extends ModelConfig {
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: string;
  readonly normEpsilon: number;
  readonly normBias: boolean;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly embeddingDropout: number;
  readonly attentionDropout: number;
  readonly mlpDropout: number;
  readonly layerTypes: readonly LayerType[];
  /** Number of tokens on each side that a query in a sliding-window layer attends to. */
  readonly reach: number;
  readonly ropes: Ropes;
  readonly padTokenId: number;
  readonly pooling: Reads;
  readonly classifierBias: boolean;
  readonly classifierActivation: string;
  /** The most deviations of a new weight from 0. */
  readonly initializerCutoff: number;
}

function parseConfig(json: JsonObject): ModernBertConfig {
  const read = new ConfigReader(json);
  const vocabSize = read.count("vocab_size", 50368);
  const heads = read.count("num_attention_heads", 12);
  const layers = read.count("num_hidden_layers", 22);
  const hiddenSize = read.multiple("hidden_size", 768, ["num_attention_heads", heads]);
  const maxTokens = read.count("max_position_embeddings", 8192);
  const globalEvery = read.count("global_attn_every_n_layers", 3);
  read.only("head_dim", hiddenSize / heads);
  return {
    vocabSize,
    hiddenSize,
    layers,
    heads,
    intermediateSize: read.count("intermediate_size", 1152),
    activation: read.text("hidden_activation", "gelu"),
    normEpsilon: read.number("norm_eps", 1e-5),
    normBias: read.flag("norm_bias", false),
    attentionBias: read.flag("attention_bias", false),
    mlpBias: read.flag("mlp_bias", false),
    embeddingDropout: read.probability("embedding_dropout", 0),
    attentionDropout: read.probability("attention_dropout", 0),
    mlpDropout: read.probability("mlp_dropout", 0),
    maxTokens,
    typeVocabSize: 0,
    padTokenId: read.id("pad_token_id", 50283, vocabSize),
    initializerRange: read.number("initializer_range", 0.02),
    layerTypes: layerTypes(read, layers, (i) => (i % globalEvery ? "sliding_attention" : "full_attention")),
    reach: read.has("sliding_window")
      ? read.wholeNumber("sliding_window")
      : Math.floor(read.wholeNumber("local_attention", 128) / 2),
    ropes: parseRopes(json, read, hiddenSize / heads, maxTokens),
    classifierDropout: read.probability("classifier_dropout", 0),
    pooling: parsePooling(read),
    classifierBias: read.flag("classifier_bias", false),
    classifierActivation: read.text("classifier_activation", "gelu"),
    initializerCutoff: parseCutoff(read),
  };
}

/** Of a cutoff below the least, hardly a draw is kept. */
const LEAST_CUTOFF = 0.01;

function parseCutoff(read: ConfigReader): number {
  const cutoff = read.isNull("initializer_cutoff_factor") ? 3 : read.positive("initializer_cutoff_factor", 2);
  if (cutoff >= LEAST_CUTOFF) return cutoff;
  throw configError(`initializer_cutoff_factor must be at least ${LEAST_CUTOFF}, but is ${cutoff}.`);
}

function parsePooling(read: ConfigReader): Reads {
  const pooling = read.text("classifier_pooling", "cls");
  if (pooling === "cls") return "first";
  if (pooling === "mean") return "mean";
  throw configError(`classifier_pooling ${JSON.stringify(pooling)} is not supported; supported are cls, mean.`);
}

/** A rope for each layer type. An older `rope_scaling` applies to both and takes precedence. */
function parseRopes(json: JsonObject, read: ConfigReader, headSize: number, maxPositions: number) {
  const { rope_parameters: given, rope_scaling: scaling } = json;
  const of = (type: LayerType, thetaKey: string, theta: number): Rope => {
    const own = isJsonObject(given) ? given[type] : undefined;
    const settings = { ...(isJsonObject(own) && own), ...(isJsonObject(scaling) && scaling) };
    const withTheta = { rope_theta: read.positive(thetaKey, theta), ...settings };
    return ropeOfLayers(withTheta, `rope_parameters.${type}.`, { headSize, maxPositions });
  };
  return {
    full_attention: of("full_attention", "global_rope_theta", 160000),
    sliding_attention: of("sliding_attention", "local_rope_theta", 10000),
  };
}

// Layers

const normOf = ({ hiddenSize, normEpsilon, normBias }: ModernBertConfig): LayerNorm =>
  new LayerNorm(hiddenSize, normEpsilon, { bias: normBias });

class Embeddings extends Module {
  private readonly words: Embedding;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(config: ModernBertConfig) {
    super();
    this.words = this.child("tok_embeddings", new Embedding(config.vocabSize, config.hiddenSize, config.padTokenId));
    this.norm = this.child("norm", normOf(config));
    this.dropout = this.child("drop", new Dropout(config.embeddingDropout));
  }

  /** → N,H */
  forward({ inputIds }: ModelInput, context: ForwardContext): torch.Tensor {
    return this.dropout.forward(this.norm.forward(this.words.forward(inputIds, context)), context);
  }
}

/** What all layers share about the batch. */
interface Rows {
  readonly layout: RowLayout;
  readonly rotary: Readonly<Record<LayerType, RotaryTables>>;
}

class Attention extends Module {
  private readonly qkv: Linear;
  private readonly output: Linear;
  private readonly dropout: Dropout;
  /** Dropout on the output, which the residual sum applies. */
  readonly outputDropout: Dropout;

  constructor(
    private readonly config: ModernBertConfig,
    private readonly type: LayerType,
  ) {
    super();
    const { hiddenSize, attentionBias: bias, attentionDropout } = config;
    this.qkv = this.child("Wqkv", new Linear(hiddenSize, 3 * hiddenSize, { bias }));
    this.output = this.child("Wo", new Linear(hiddenSize, hiddenSize, { bias }));
    this.dropout = this.child("dropout", new Dropout(attentionDropout));
    this.outputDropout = this.child("out_drop", new Dropout(attentionDropout));
  }

  /** x: N,H → N,H, or K,H for only the selected tokens */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const { heads, hiddenSize, reach } = this.config;
    const widths = [hiddenSize, hiddenSize, hiddenSize] as const;
    const [q, k, v] = partsOf(this.qkv.forward(x, context), widths);
    const rotated = (of: torch.Tensor) => rotate(of, rows.rotary[this.type], heads);
    const window = this.type === "sliding_attention" ? { before: reach, after: reach } : {};
    const options = { heads, layout: rows.layout, window, dropout: this.dropout, context };
    return this.output.forward(selectTokens(attend(rotated(q), rotated(k), v, options), only), context);
  }
}

/** Wo(dropout(activation(a)·b)), where a and b are the halves of Wi(x). */
class GatedMlp extends Module {
  private readonly inner: Linear;
  private readonly outer: Linear;
  private readonly dropout: Dropout;
  private readonly activation: GatedActivation;

  constructor({ hiddenSize, intermediateSize, mlpBias: bias, ...config }: ModernBertConfig) {
    super();
    this.inner = this.child("Wi", new Linear(hiddenSize, 2 * intermediateSize, { bias }));
    this.outer = this.child("Wo", new Linear(intermediateSize, hiddenSize, { bias }));
    this.dropout = this.child("drop", new Dropout(config.mlpDropout));
    this.activation = gatedActivation(config.activation);
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const size = this.outer.inFeatures;
    const [a, b] = partsOf(this.inner.forward(x, context), [size, size]);
    return this.outer.forward(this.dropout.forward(this.activation(a, b), context), context);
  }
}

/** A pre-norm layer. The first one has no attention norm, since the embeddings are already normalized. */
class Layer extends StackLayer<Rows> {
  private readonly attentionNorm: LayerNorm | undefined;
  private readonly attention: Attention;
  private readonly mlpNorm: LayerNorm;
  private readonly mlp: GatedMlp;

  constructor(config: ModernBertConfig, layer: number) {
    super();
    if (layer > 0) this.attentionNorm = this.child("attn_norm", normOf(config));
    this.attention = this.child("attn", new Attention(config, config.layerTypes[layer]!));
    this.mlpNorm = this.child("mlp_norm", normOf(config));
    this.mlp = this.child("mlp", new GatedMlp(config));
  }

  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const normedInput = this.attentionNorm ? this.attentionNorm.forward(x) : x;
    const attended = this.attention.forward(normedInput, rows, context, only);
    const residual = { dropout: this.attention.outputDropout, norm: this.mlpNorm, context };
    const { sum, normed } = addThenNorm(attended, selectTokens(x, only), residual);
    return torch.add(this.mlp.forward(normed, context), sum);
  }
}

// Head

class PredictionHead extends Module {
  private readonly dense: Linear;
  private readonly norm: LayerNorm;
  private readonly activation: Activation;

  constructor(config: ModernBertConfig) {
    super();
    const { hiddenSize, classifierBias: bias } = config;
    this.dense = this.child("dense", new Linear(hiddenSize, hiddenSize, { bias }));
    this.norm = this.child("norm", normOf(config));
    this.activation = activation(config.classifierActivation);
  }

  /** x: K,H → K,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.norm.forward(this.activation(this.dense.forward(x, context)));
  }
}

/** For the states that are read: dense layer, activation, norm, dropout, classifier. */
const headThatReads = (reads: HeadDesign<ModernBertConfig>["reads"]): HeadDesign<ModernBertConfig> => ({
  ...classifierAfter<ModernBertConfig>(
    "head",
    (config) => new PredictionHead(config),
    (config) => config.classifierDropout,
    { reads, dropoutPath: "drop" },
  ),
  initialOf: ({ initializerRange, initializerCutoff: cutoff, layers, hiddenSize }, path) => ({
    deviation: path === "classifier" ? 1 / Math.sqrt(hiddenSize) : initializerRange / Math.sqrt(2 * layers),
    cutoff,
  }),
});

// Model

class ModernBertModel extends EncoderModel<Rows> {
  constructor(private readonly config: ModernBertConfig) {
    const layers = Array.from({ length: config.layers }, (_, layer) => new Layer(config, layer));
    super(new Embeddings(config), new LayerStack(layers), "layers", { name: "final_norm", norm: normOf(config) });
  }

  protected override rowsOf(input: ModelInput, _context: ForwardContext, dtype: torch.DType): Rows {
    return { layout: input.layout, rotary: ropeTables(this.config.ropes, input, dtype) };
  }
}

const EVERY_TOKEN = headThatReads("every");

export const modernbert = architecture<ModernBertConfig>({
  className: "ModernBert",
  prefix: "model",
  defaultTargetModules: ["Wqkv"],
  subLayerOutputs: { attention: ["attn.Wo"], feedForward: ["mlp.Wo"] },
  parseConfig,
  backbone: (config) => new ModernBertModel(config),
  heads: {
    ForSequenceClassification: headThatReads({ by: (config) => config.pooling }),
    ForTokenClassification: EVERY_TOKEN,
    ForQuestionAnswering: EVERY_TOKEN,
  },
});
