// BERT-like encoders: embeddings, and post-norm layers of attention and feed-forward.
// Shapes: N tokens of all rows, K selected tokens, H hidden size, I intermediate size.

import * as torch from "../torch/index.js";
import { LayerStack, type ModelInput, StackedModel, StackLayer, selectTokens } from "./backbone.js";
import {
  type Activation,
  type AttendOptions,
  activation,
  addAndNorm,
  attend,
  Dropout,
  Embedding,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  projectTogether,
  type RotaryTables,
  type RowLayout,
  rotate,
  type SubLayerOutputs,
} from "./nn/index.js";

export interface EncoderConfig {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly activation: string;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
}

/** Attention without its output projection. `Rows` as in `StackLayer`. */
export interface TokenMixer<Rows> extends Module {
  /** x: N,H → N,H */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext): torch.Tensor;
}

/** The attention block of a layer, with output projection, residual connection and norm. */
export interface AttentionBlock<Rows> extends Module {
  /** x: N,H → N,H, or K,H for only the selected tokens */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor;
}

/** The names of an attention's layers in checkpoints. */
interface AttentionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** The output projection, if it is beside the others. */
  readonly output?: string;
}

const BERT_NAMES: AttentionNames = { query: "query", key: "key", value: "value" };

/** Options of a pass: for rotary position embeddings, for position biases, and for only the selected tokens. */
interface AttentionPass extends Pick<AttendOptions, "bias"> {
  readonly rotary?: RotaryTables | undefined;
  readonly only?: torch.Tensor | undefined;
}

/** Bidirectional self-attention. */
export class SelfAttention extends Module implements TokenMixer<RowLayout> {
  private readonly heads: number;
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  private readonly output: Linear | undefined;
  private readonly dropout: Dropout;

  constructor(config: Pick<EncoderConfig, "hiddenSize" | "heads" | "attentionDropout">, names = BERT_NAMES) {
    super();
    const square = (name: string) => this.child(name, new Linear(config.hiddenSize, config.hiddenSize));
    this.heads = config.heads;
    this.query = square(names.query);
    this.key = square(names.key);
    this.value = square(names.value);
    this.output = names.output === undefined ? undefined : square(names.output);
    this.dropout = this.child("dropout", new Dropout(config.attentionDropout));
  }

  /** x: N,H → N,H; with an output projection K,H for only the selected tokens */
  forward(x: torch.Tensor, layout: RowLayout, context: ForwardContext, pass: AttentionPass = {}): torch.Tensor {
    const { heads, dropout, output } = this;
    const { rotary, bias, only } = pass;
    const [q, k, v] = projectTogether([this.query, this.key, this.value], x, context);
    const rotated = (of: torch.Tensor) => (rotary ? rotate(of, rotary, heads) : of);
    const mixed = attend(rotated(q), rotated(k), v, { heads, layout, bias, dropout, context });
    return output ? output.forward(selectTokens(mixed, only), context) : mixed;
  }
}

/** LayerNorm(residual + dropout(dense(x))). */
class ResidualOutput extends Module {
  private readonly dense: Linear;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(inFeatures: number, config: EncoderConfig) {
    super();
    this.dense = this.child("dense", new Linear(inFeatures, config.hiddenSize));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  forward(x: torch.Tensor, residual: torch.Tensor, context: ForwardContext): torch.Tensor {
    return addAndNorm(this.dense.forward(x, context), residual, { dropout: this.dropout, norm: this.norm, context });
  }
}

/** BERT's attention block, around any attention. */
export class BertAttention<Rows> extends Module implements AttentionBlock<Rows> {
  private readonly output: ResidualOutput;

  constructor(
    config: EncoderConfig,
    private readonly mixer: TokenMixer<Rows>,
  ) {
    super();
    this.child("self", mixer);
    this.output = this.child("output", new ResidualOutput(config.hiddenSize, config));
  }

  /** x: N,H → N,H, or K,H for only the selected tokens */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const mixed = this.mixer.forward(x, rows, context);
    return this.output.forward(selectTokens(mixed, only), selectTokens(x, only), context);
  }
}

/** activation(dense(x)) */
export class ActivatedDense extends Module {
  private readonly dense: Linear;

  constructor(
    inFeatures: number,
    outFeatures: number,
    private readonly activation: Activation,
  ) {
    super();
    this.dense = this.child("dense", new Linear(inFeatures, outFeatures));
  }

  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.activation(this.dense.forward(x, context));
  }
}

/** A post-norm layer. */
export class EncoderLayer<Rows = RowLayout> extends StackLayer<Rows> {
  private readonly attention: AttentionBlock<Rows>;
  private readonly intermediate: ActivatedDense;
  private readonly output: ResidualOutput;

  constructor(config: EncoderConfig, attention: AttentionBlock<Rows>) {
    super();
    this.attention = this.child("attention", attention);
    const { hiddenSize, intermediateSize } = config;
    const intermediate = new ActivatedDense(hiddenSize, intermediateSize, activation(config.activation));
    this.intermediate = this.child("intermediate", intermediate);
    this.output = this.child("output", new ResidualOutput(intermediateSize, config));
  }

  /** x: N,H → N,H, or K,H for only the selected tokens */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const attended = this.attention.forward(x, rows, context, only);
    return this.output.forward(this.intermediate.forward(attended, context), attended, context);
  }
}

/** The output layers of an `EncoderLayer` with BERT's attention block. */
export const ENCODER_OUTPUTS: SubLayerOutputs = {
  attention: ["attention.output.dense"],
  feedForward: ["output.dense"],
};

/** The layers of BERT-like encoders. */
export class Encoder extends LayerStack {
  constructor(config: EncoderConfig) {
    super(
      Array.from(
        { length: config.layers },
        () => new EncoderLayer(config, new BertAttention(config, new SelfAttention(config))),
      ),
    );
  }
}

/** What computes the first layer's input, N,H. */
interface InputLayer extends Module {
  forward(input: ModelInput, context: ForwardContext): torch.Tensor;
}

/** An encoder: embeddings, layers, and in some models a final norm. By default, the layers share the rows' layout. */
export class EncoderModel<Rows = RowLayout> extends StackedModel<Rows> {
  constructor(
    private readonly embeddings: InputLayer,
    stack: LayerStack<Rows>,
    /** The path of the layers. */
    name = "encoder.layer",
    final?: { readonly name: string; readonly norm: LayerNorm },
  ) {
    super(stack, final?.norm);
    this.child("embeddings", embeddings);
    this.child(name, stack);
    if (final) this.child(final.name, final.norm);
  }

  protected embed(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.embeddings.forward(input, context);
  }

  protected rowsOf({ layout }: ModelInput, _context: ForwardContext, _dtype: torch.DType): Rows {
    return layout as Rows;
  }
}

// Embeddings

export interface EmbeddingsConfig {
  readonly vocabSize: number;
  readonly padTokenId: number;
  readonly hiddenSize: number;
  /** Rows of the position table. */
  readonly positions: number;
  /** Rows of the token type table; 0 for no table. */
  readonly typeVocabSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
}

/** [N] integers: the row of the position table for each token. */
export type PositionRule = (input: ModelInput) => torch.Tensor;

/** The normalized sum of word, token type and position embeddings. By default, positions are those in the row. */
export class InputEmbeddings extends Module {
  private readonly words: Embedding;
  private readonly positions: Embedding;
  private readonly types: Embedding | undefined;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(
    config: EmbeddingsConfig,
    private readonly positionsOf: PositionRule = (input) => input.positionIds,
    /** The position of padding, if `positionsOf` gives it one. */
    paddingPosition?: number,
  ) {
    super();
    this.words = this.child("word_embeddings", new Embedding(config.vocabSize, config.hiddenSize, config.padTokenId));
    const positions = new Embedding(config.positions, config.hiddenSize, paddingPosition);
    this.positions = this.child("position_embeddings", positions);
    if (config.typeVocabSize > 0)
      this.types = this.child("token_type_embeddings", new Embedding(config.typeVocabSize, config.hiddenSize));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  /** → N,H */
  forward(input: ModelInput, context: ForwardContext): torch.Tensor {
    const words = this.withTypes(this.words.forward(input.inputIds, context), input, context);
    const sum = torch.add(words, this.positions.forward(this.positionsOf(input), context));
    return this.dropout.forward(this.norm.forward(sum), context);
  }

  private withTypes(words: torch.Tensor, { tokenTypeIds }: ModelInput, context: ForwardContext): torch.Tensor {
    if (!this.types) return words;
    const types = this.types.count > 1 ? tokenTypeIds : torch.zerosLike(tokenTypeIds);
    return torch.add(words, this.types.forward(types, context));
  }
}

/**
 * RoBERTa's positions, which start at the padding token's id + 1. A padding token within a row (from its text) gets that id as its
 * position and is not counted.
 */
export function positionsAfterPadding(padTokenId: number): PositionRule {
  return ({ inputIds, positionIds }) => {
    const counts = torch.neScalar(inputIds, padTokenId);
    const upTo = torch.cumsum(counts, 0); // N, this token included
    const rowStarts = torch.sub(torch.arange(inputIds.numel, { device: inputIds.device }), positionIds); // N, flat index of the row's first token
    const before = torch.indexSelect(torch.sub(upTo, torch.to(counts, "int64")), 0, rowStarts);
    return torch.addScalar(torch.mul(torch.sub(upTo, before), counts), padTokenId);
  };
}
