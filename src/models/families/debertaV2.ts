// DeBERTa v2 and v3.
// Shapes: N tokens of all rows, K selected tokens, B rows, H hidden size, E embedding size, T kernel size of the convolution.
import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import { LayerStack, type ModelInput, StackedModel, selectTokens } from "../backbone.js";
import { ConfigReader, configError } from "../configReader.js";
import { BertAttention, ENCODER_OUTPUTS, EncoderLayer } from "../encoder.js";
import { classifierAfter } from "../heads.js";
import {
  type Activation,
  activation,
  Dropout,
  Embedding,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  type Parameter,
  type RowLayout,
} from "../nn/index.js";
import { type BertConfig, parseBertConfig } from "./bert.js";
import {
  DisentangledAttention,
  type DisentangledConfig,
  DistanceEmbeddings,
  type DistantRows,
  parseRelativePositions,
} from "./disentangled.js";

// Config

export interface ConvolutionConfig {
  /** Odd. */
  readonly kernelSize: number;
  readonly activation: string;
}

export interface DebertaConfig extends BertConfig, DisentangledConfig {
  readonly embeddingSize: number;
  /** Whether position embeddings are added to the word embeddings. */
  readonly hasPositions: boolean;
  readonly convolution: ConvolutionConfig | undefined;
  readonly poolerDropout: number;
  readonly poolerActivation: string;
  /** Dropout before the sequence classifier. */
  readonly clsDropout: number;
}

const XLARGE = {
  vocabSize: 128100,
  padTokenId: 0,
  hiddenSize: 1536,
  heads: 24,
  intermediateSize: 6144,
  layers: 24,
  layerNormEpsilon: 1e-7,
  typeVocabSize: 0,
};

/** @throws BidoraError `CONFIG` for a value that is invalid or not supported */
function parseConfig(json: JsonObject): DebertaConfig {
  const read = new ConfigReader(json);
  const base = parseBertConfig(json, XLARGE);
  const { hiddenSize, heads, hiddenDropout, positions } = base;
  read.only("attention_head_size", hiddenSize / heads);
  read.only("pooler_hidden_size", hiddenSize);
  const hasPositions = read.flag("position_biased_input", true);
  return {
    ...base,
    classifierDropout: hiddenDropout,
    maxTokens: hasPositions ? positions : Number.POSITIVE_INFINITY,
    embeddingSize: read.count("embedding_size", hiddenSize),
    hasPositions,
    ...parseRelativePositions(json, read, positions),
    convolution: parseConvolution(read),
    poolerDropout: read.probability("pooler_dropout", 0),
    poolerActivation: read.text("pooler_hidden_act", "gelu"),
    clsDropout: read.probability("cls_dropout", hiddenDropout),
  };
}

function parseConvolution(read: ConfigReader): ConvolutionConfig | undefined {
  const kernelSize = read.countOrNone("conv_kernel_size");
  if (kernelSize === undefined) return undefined;
  if (kernelSize % 2 === 0) throw configError(`conv_kernel_size must be odd, but is ${kernelSize}.`);
  read.only("conv_groups", 1);
  return { kernelSize, activation: read.text("conv_act", "tanh") };
}

// Embeddings

/** Word embeddings with optional position and token type embeddings, an optional projection to the hidden size, and a norm. */
class Embeddings extends Module {
  private readonly words: Embedding;
  private readonly positions: Embedding | undefined;
  private readonly types: Embedding | undefined;
  private readonly projection: Linear | undefined;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(config: DebertaConfig) {
    super();
    const { vocabSize, embeddingSize: size, hiddenSize, typeVocabSize } = config;
    this.words = this.child("word_embeddings", new Embedding(vocabSize, size, config.padTokenId));
    if (config.hasPositions) this.positions = this.child("position_embeddings", new Embedding(config.positions, size));
    if (typeVocabSize > 0) this.types = this.child("token_type_embeddings", new Embedding(typeVocabSize, size));
    if (size !== hiddenSize) this.projection = this.child("embed_proj", new Linear(size, hiddenSize, { bias: false }));
    this.norm = this.child("LayerNorm", new LayerNorm(hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  /** → N,H */
  forward({ inputIds, positionIds, tokenTypeIds }: ModelInput, context: ForwardContext): torch.Tensor {
    const words = this.words.forward(inputIds, context); // N,E
    const placed = this.positions ? torch.add(words, this.positions.forward(positionIds, context)) : words;
    const kinds = this.types && this.types.count > 1 ? tokenTypeIds : torch.zerosLike(tokenTypeIds);
    const typed = this.types ? torch.add(placed, this.types.forward(kinds, context)) : placed;
    const projected = this.projection ? this.projection.forward(typed, context) : typed;
    return this.dropout.forward(this.norm.forward(projected), context);
  }
}

// Layers

/** A convolution over the tokens of each row, with zero padding. */
class RowConvolution extends Module {
  private readonly weight: Parameter;
  private readonly bias: Parameter;

  constructor(
    private readonly size: number,
    private readonly kernelSize: number,
  ) {
    super();
    this.weight = this.parameter("weight", [size, size, kernelSize]);
    this.bias = this.parameter("bias", [size]);
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, layout: RowLayout): torch.Tensor {
    const { size, kernelSize } = this;
    const withZero = torch.cat([x, torch.zeros([1, size], { dtype: x.dtype, device: x.device })], 0);
    const seen = torch.view(torch.indexSelect(withZero, 0, neighbors(layout, kernelSize)), [-1, kernelSize * size]);
    const [weight, bias] = [torch.castTo(this.weight.tensor, x.dtype), torch.castTo(this.bias.tensor, x.dtype)];
    return torch.linear(seen, torch.reshape(torch.transpose(weight, 1, 2), [size, kernelSize * size]), bias);
  }
}

/** [N·T] int64: the flat indices of each token and its neighbors in the row; N for positions outside the row. */
function neighbors({ lengths, first: { device } }: RowLayout, kernelSize: number): torch.Tensor {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const before = (kernelSize - 1) / 2;
  let start = 0;
  const indices = lengths.flatMap((length) => {
    const first = start;
    start += length;
    return Array.from({ length: length * kernelSize }, (_, i) => {
      const position = Math.floor(i / kernelSize) + (i % kernelSize) - before;
      return position >= 0 && position < length ? first + position : tokens;
    });
  });
  return torch.tensor(indices, [indices.length], "int64", device);
}

/** A convolution of a layer's input, added to its output and normalized. */
class ConvolvedOutput extends Module {
  private readonly convolution: RowConvolution;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;
  private readonly activation: Activation;

  constructor({ kernelSize, activation: name }: ConvolutionConfig, config: DebertaConfig) {
    super();
    this.convolution = this.child("conv", new RowConvolution(config.hiddenSize, kernelSize));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
    this.activation = activation(name);
  }

  /** input: N,H; output: N,H → the same */
  forward(input: torch.Tensor, output: torch.Tensor, layout: RowLayout, context: ForwardContext): torch.Tensor {
    const convolved = this.dropout.forward(this.convolution.forward(input, layout), context);
    return this.norm.forward(torch.add(output, this.activation(convolved)));
  }
}

const attentionOf = (config: DebertaConfig) => new BertAttention(config, new DisentangledAttention(config));

/** A layer with a parallel convolution, whose module is outside the layer, as in checkpoints. */
class ConvolvedLayer extends EncoderLayer<DistantRows> {
  constructor(
    config: DebertaConfig,
    private readonly beside: ConvolvedOutput,
  ) {
    super(config, attentionOf(config));
  }

  override forward(
    x: torch.Tensor,
    rows: DistantRows,
    context: ForwardContext,
    only: torch.Tensor | undefined,
  ): torch.Tensor {
    const output = super.forward(x, rows, context, undefined);
    return selectTokens(this.beside.forward(x, output, rows.layout, context), only);
  }
}

// Head

class Pooler extends Module {
  private readonly dense: Linear;
  private readonly dropout: Dropout;
  private readonly activation: Activation;

  constructor(config: DebertaConfig) {
    super();
    this.dense = this.child("dense", new Linear(config.hiddenSize, config.hiddenSize));
    this.dropout = this.child("dropout", new Dropout(config.poolerDropout));
    this.activation = activation(config.poolerActivation);
  }

  /** x: B,H → B,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.activation(this.dense.forward(this.dropout.forward(x, context), context));
  }
}

// Model

class DebertaModel extends StackedModel<DistantRows> {
  private readonly embeddings: Embeddings;
  private readonly distances: DistanceEmbeddings | undefined;

  constructor(config: DebertaConfig) {
    const { layers, relative, convolution } = config;
    const beside = convolution && new ConvolvedOutput(convolution, config);
    const layerOf = (layer: number) =>
      layer === 0 && beside ? new ConvolvedLayer(config, beside) : new EncoderLayer(config, attentionOf(config));
    const stack = new LayerStack<DistantRows>(Array.from({ length: layers }, (_, layer) => layerOf(layer)));
    super(stack);
    this.embeddings = this.child("embeddings", new Embeddings(config));
    if (relative) this.distances = this.child("encoder", new DistanceEmbeddings(relative, config));
    this.child("encoder.layer", stack);
    if (beside) this.child("encoder.conv", beside);
  }

  protected embed(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.embeddings.forward(input, context);
  }

  protected rowsOf({ layout }: ModelInput): DistantRows {
    return { layout, distances: this.distances?.forward(this.computesAll ? "all" : Math.max(...layout.lengths)) };
  }
}

export const debertaV2 = architecture<DebertaConfig>({
  className: "DebertaV2",
  prefix: "deberta",
  defaultTargetModules: ["query_proj", "value_proj"],
  subLayerOutputs: ENCODER_OUTPUTS,
  parseConfig,
  backbone: (config) => new DebertaModel(config),
  heads: {
    ForSequenceClassification: classifierAfter(
      "pooler",
      (config) => new Pooler(config),
      (config) => config.clsDropout,
    ),
  },
});
