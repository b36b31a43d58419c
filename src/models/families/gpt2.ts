// GPT-2.
// Shapes: N tokens of all rows, K selected tokens, H hidden size.
import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import { LayerStack, type ModelConfig, type ModelInput, StackedModel, StackLayer, selectTokens } from "../backbone.js";
import { ConfigReader, withOwnNames } from "../configReader.js";
import { languageHead, scoreHead } from "../heads.js";
import {
  type Activation,
  activation,
  addThenNorm,
  causalAttention,
  Dropout,
  Embedding,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  partsOf,
} from "../nn/index.js";

// Config

export interface Gpt2Config extends ModelConfig {
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: string;
  readonly layerNormEpsilon: number;
  readonly embeddingDropout: number;
  readonly residualDropout: number;
  readonly attentionDropout: number;
  /** Whether attention scores are divided by √headSize. */
  readonly scalesAttention: boolean;
  /** Whether they are also divided by the layer's number, counted from 1. */
  readonly scalesByLayer: boolean;
  /** Whether the output matrix is the embedding table. */
  readonly tiesEmbeddings: boolean;
}

/** Common names of sizes, and GPT-2's. */
const COMMON_NAMES = {
  hidden_size: "n_embd",
  num_attention_heads: "n_head",
  num_hidden_layers: "n_layer",
  max_position_embeddings: "n_positions",
};

/**
 * Reads a `config.json`; missing keys have transformers' defaults. `n_ctx` (redundant) and `reorder_and_upcast_attn` (scores are always
 * float32) are ignored.
 * @throws BidoraError `CONFIG` for a value that is invalid or not supported
 */
function parseGpt2Config(json: JsonObject): Gpt2Config {
  const read = new ConfigReader(withOwnNames(json, COMMON_NAMES));
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

// Layers

/** What all layers share about the batch. */
type Gpt2Rows = Pick<ModelInput, "layout" | "cache" | "shared">;

/** transformers' `Conv1D`: a linear layer whose weight is stored as [in, out]. */
const conv1d = (inFeatures: number, outFeatures: number) =>
  new Linear(inFeatures, outFeatures, { isStoredTransposed: true });

/** The scale of a layer's attention scores. */
export function attentionScale(
  { hiddenSize, heads, scalesAttention, scalesByLayer }: Gpt2Config,
  layer: number,
): number {
  return (scalesAttention ? (hiddenSize / heads) ** -0.5 : 1) / (scalesByLayer ? layer + 1 : 1);
}

/** Causal attention with a fused query, key and value projection. */
class Attention extends Module {
  private readonly qkv: Linear;
  private readonly output: Linear;
  private readonly dropout: Dropout;
  private readonly scale: number;

  constructor(
    private readonly config: Gpt2Config,
    private readonly layer: number,
  ) {
    super();
    const { hiddenSize, attentionDropout } = config;
    this.qkv = this.child("c_attn", conv1d(hiddenSize, 3 * hiddenSize));
    this.output = this.child("c_proj", conv1d(hiddenSize, hiddenSize));
    this.dropout = this.child("dropout", new Dropout(attentionDropout));
    this.scale = attentionScale(config, layer);
  }

  /** x: N,H → N,H, or K,H for only the selected tokens */
  forward(
    x: torch.Tensor,
    { layout, cache, shared }: Gpt2Rows,
    context: ForwardContext,
    only: torch.Tensor | undefined,
  ): torch.Tensor {
    const { heads, hiddenSize } = this.config;
    const widths = [hiddenSize, hiddenSize, hiddenSize] as const;
    const [q, k, v] = partsOf(this.qkv.forward(x, context), widths);
    const options = { heads, layout, scale: this.scale, dropout: this.dropout, context };
    const mixed = causalAttention(q, k, v, { cache, layer: this.layer, shared }, options);
    return this.output.forward(selectTokens(mixed, only), context);
  }
}

class Mlp extends Module {
  private readonly first: Linear;
  private readonly output: Linear;
  private readonly activation: Activation;

  constructor(config: Gpt2Config) {
    super();
    this.first = this.child("c_fc", conv1d(config.hiddenSize, config.intermediateSize));
    this.output = this.child("c_proj", conv1d(config.intermediateSize, config.hiddenSize));
    this.activation = activation(config.activation);
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.output.forward(this.activation(this.first.forward(x, context)), context);
  }
}

class Block extends StackLayer<Gpt2Rows> {
  private readonly attentionNorm: LayerNorm;
  private readonly attention: Attention;
  private readonly mlpNorm: LayerNorm;
  private readonly mlp: Mlp;
  private readonly attentionDropout: Dropout;
  private readonly mlpDropout: Dropout;

  constructor(config: Gpt2Config, layer: number) {
    super();
    const norm = () => new LayerNorm(config.hiddenSize, config.layerNormEpsilon);
    this.attentionNorm = this.child("ln_1", norm());
    this.attention = this.child("attn", new Attention(config, layer));
    this.mlpNorm = this.child("ln_2", norm());
    this.mlp = this.child("mlp", new Mlp(config));
    this.attentionDropout = this.child("attn.resid_dropout", new Dropout(config.residualDropout));
    this.mlpDropout = this.child("mlp.dropout", new Dropout(config.residualDropout));
  }

  forward(x: torch.Tensor, rows: Gpt2Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const attended = this.attention.forward(this.attentionNorm.forward(x), rows, context, only);
    const residual = { dropout: this.attentionDropout, norm: this.mlpNorm, context };
    const { sum, normed } = addThenNorm(attended, selectTokens(x, only), residual);
    return torch.add(this.mlpDropout.forward(this.mlp.forward(normed, context), context), sum);
  }
}

// Model

/** Token and position embeddings, blocks, and a final norm. */
class Gpt2Model extends StackedModel<Gpt2Rows> {
  readonly embeddings: Embedding;
  private readonly positions: Embedding;
  private readonly dropout: Dropout;

  constructor(config: Gpt2Config) {
    const { hiddenSize, layers } = config;
    const blocks = new LayerStack(Array.from({ length: layers }, (_, layer) => new Block(config, layer)));
    const norm = new LayerNorm(hiddenSize, config.layerNormEpsilon);
    super(blocks, norm);
    this.embeddings = this.child("wte", new Embedding(config.vocabSize, hiddenSize));
    this.positions = this.child("wpe", new Embedding(config.maxTokens, hiddenSize));
    this.dropout = this.child("drop", new Dropout(config.embeddingDropout));
    this.child("h", blocks);
    this.child("ln_f", norm);
  }

  protected rowsOf(input: ModelInput): Gpt2Rows {
    return input;
  }

  protected embed({ inputIds, positionIds }: ModelInput, context: ForwardContext): torch.Tensor {
    const words = this.embeddings.forward(inputIds, context);
    return this.dropout.forward(torch.add(words, this.positions.forward(positionIds, context)), context);
  }
}

export const gpt2 = architecture<Gpt2Config>({
  className: "GPT2",
  prefix: "transformer",
  defaultTargetModules: ["c_attn"],
  subLayerOutputs: { attention: ["attn.c_proj"], feedForward: ["mlp.c_proj"] },
  parseConfig: parseGpt2Config,
  backbone: (config) => new Gpt2Model(config),
  heads: {
    ForCausalLM: {
      ...languageHead("transformer.wte.weight", (backbone) => (backbone as Gpt2Model).embeddings),
      className: "GPT2LMHeadModel",
    },
    ForSequenceClassification: scoreHead,
  },
});
