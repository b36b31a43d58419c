// DistilBERT.
// Shapes: N tokens of all rows, K tokens kept, H hidden size, I intermediate size.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import { LayerStack, type ModelConfig, StackLayer, selectTokens } from "../backbone.js";
import { ConfigReader, withOwnNames } from "../configReader.js";
import { type EmbeddingsConfig, type EncoderConfig, EncoderModel, InputEmbeddings, SelfAttention } from "../encoder.js";
import { classifierAfter, linearHead } from "../heads.js";
import {
  type Activation,
  activation,
  addAndNorm,
  Dropout,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  type RowLayout,
} from "../nn/index.js";

// Config

interface DistilBertConfig extends ModelConfig, EncoderConfig, EmbeddingsConfig {
  readonly padTokenId: number;
  readonly seqClassifDropout: number;
  readonly qaDropout: number;
}

/** BERT's names of sizes, and DistilBERT's. */
const COMMON_NAMES = { hidden_size: "dim", num_attention_heads: "n_heads", num_hidden_layers: "n_layers" };

/** `sinusoidal_pos_embds` is ignored: it says how the position table was initialized, and the table is in the checkpoint. */
function parseConfig(json: JsonObject): DistilBertConfig {
  const read = new ConfigReader(withOwnNames(json, COMMON_NAMES));
  const vocabSize = read.count("vocab_size", 30522);
  const positions = read.count("max_position_embeddings", 512);
  const heads = read.count("n_heads", 12);
  const dropout = read.probability("dropout", 0.1);
  return {
    vocabSize,
    hiddenSize: read.multiple("dim", 768, ["n_heads", heads]),
    layers: read.count("n_layers", 6),
    heads,
    intermediateSize: read.count("hidden_dim", 3072),
    activation: read.text("activation", "gelu"),
    layerNormEpsilon: 1e-12,
    hiddenDropout: dropout,
    attentionDropout: read.probability("attention_dropout", 0.1),
    classifierDropout: dropout,
    seqClassifDropout: read.probability("seq_classif_dropout", 0.2),
    qaDropout: read.probability("qa_dropout", 0.1),
    positions,
    maxTokens: positions,
    typeVocabSize: 0,
    padTokenId: read.id("pad_token_id", 0, vocabSize),
    initializerRange: read.number("initializer_range", 0.02),
  };
}

// Layers

const NAMES = { query: "q_lin", key: "k_lin", value: "v_lin", output: "out_lin" };

class FeedForward extends Module {
  private readonly inner: Linear;
  private readonly outer: Linear;
  private readonly activation: Activation;
  readonly dropout: Dropout;

  constructor(config: EncoderConfig) {
    super();
    this.inner = this.child("lin1", new Linear(config.hiddenSize, config.intermediateSize));
    this.outer = this.child("lin2", new Linear(config.intermediateSize, config.hiddenSize));
    this.activation = activation(config.activation);
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  /** The residual sum applies its dropout. x: N,H → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.outer.forward(this.activation(this.inner.forward(x, context)), context);
  }
}

/** There is no dropout on the attention output. */
const NO_DROPOUT = new Dropout(0);

class Layer extends StackLayer {
  private readonly attention: SelfAttention;
  private readonly attentionNorm: LayerNorm;
  private readonly feedForward: FeedForward;
  private readonly outputNorm: LayerNorm;

  constructor(config: EncoderConfig) {
    super();
    const norm = () => new LayerNorm(config.hiddenSize, config.layerNormEpsilon);
    this.attention = this.child("attention", new SelfAttention(config, NAMES));
    this.attentionNorm = this.child("sa_layer_norm", norm());
    this.feedForward = this.child("ffn", new FeedForward(config));
    this.outputNorm = this.child("output_layer_norm", norm());
  }

  forward(x: torch.Tensor, layout: RowLayout, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const mixed = this.attention.forward(x, layout, context, { only });
    const attended = addAndNorm(mixed, selectTokens(x, only), {
      dropout: NO_DROPOUT,
      norm: this.attentionNorm,
      context,
    });
    const { dropout } = this.feedForward;
    return addAndNorm(this.feedForward.forward(attended, context), attended, {
      dropout,
      norm: this.outputNorm,
      context,
    });
  }
}

// Model

export const distilbert = architecture<DistilBertConfig>({
  className: "DistilBert",
  prefix: "distilbert",
  defaultTargetModules: ["q_lin", "v_lin"],
  subLayerOutputs: { attention: ["attention.out_lin"], feedForward: ["ffn.lin2"] },
  parseConfig,
  backbone(config) {
    const layers = Array.from({ length: config.layers }, () => new Layer(config));
    return new EncoderModel(new InputEmbeddings(config), new LayerStack(layers), "transformer.layer");
  },
  heads: {
    ForSequenceClassification: classifierAfter(
      "pre_classifier",
      ({ hiddenSize }) => new Linear(hiddenSize, hiddenSize),
      (config) => config.seqClassifDropout,
      { activation: torch.relu },
    ),
    ForQuestionAnswering: linearHead("qa_outputs", (config) => config.qaDropout),
  },
});
