// BERT-like encoders: post-norm layers of attention and feed-forward.
// Shapes: N tokens of all rows, K selected tokens, H hidden size, I intermediate size.

import type * as torch from "../torch/index.js";
import { LayerStack, type ModelInput, StackedModel, StackLayer, selectTokens } from "./backbone.js";
import type { InputEmbeddings } from "./embeddings.js";
import {
  type Activation,
  activation,
  addAndNorm,
  attend,
  Dropout,
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

/** Bidirectional self-attention, with rotary position embeddings if tables are given. */
export class SelfAttention extends Module implements TokenMixer<RowLayout> {
  private readonly heads: number;
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  private readonly dropout: Dropout;

  constructor(config: Pick<EncoderConfig, "hiddenSize" | "heads" | "attentionDropout">) {
    super();
    const square = () => new Linear(config.hiddenSize, config.hiddenSize);
    this.heads = config.heads;
    this.query = this.child("query", square());
    this.key = this.child("key", square());
    this.value = this.child("value", square());
    this.dropout = this.child("dropout", new Dropout(config.attentionDropout));
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, layout: RowLayout, context: ForwardContext, rotary?: RotaryTables): torch.Tensor {
    const { heads, dropout } = this;
    const layers = [this.query, this.key, this.value];
    const [q, k, v] = projectTogether(layers, x, context) as [torch.Tensor, torch.Tensor, torch.Tensor];
    const rotated = (of: torch.Tensor) => (rotary ? rotate(of, rotary, heads) : of);
    return attend(rotated(q), rotated(k), v, { heads, layout, dropout, context });
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

class Intermediate extends Module {
  private readonly dense: Linear;
  private readonly activation: Activation;

  constructor(config: EncoderConfig) {
    super();
    this.dense = this.child("dense", new Linear(config.hiddenSize, config.intermediateSize));
    this.activation = activation(config.activation);
  }

  /** x: N,H → N,I */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return this.activation(this.dense.forward(x, context));
  }
}

/** A post-norm layer. */
export class EncoderLayer<Rows = RowLayout> extends StackLayer<Rows> {
  private readonly attention: AttentionBlock<Rows>;
  private readonly intermediate: Intermediate;
  private readonly output: ResidualOutput;

  constructor(config: EncoderConfig, attention: AttentionBlock<Rows>) {
    super();
    this.attention = this.child("attention", attention);
    this.intermediate = this.child("intermediate", new Intermediate(config));
    this.output = this.child("output", new ResidualOutput(config.intermediateSize, config));
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

/** A BERT-like encoder: embeddings and layers. */
export class EncoderModel extends StackedModel<RowLayout> {
  constructor(
    private readonly embeddings: InputEmbeddings,
    stack: LayerStack,
    /** The path of the layers. */
    name = "encoder.layer",
  ) {
    super(stack);
    this.child("embeddings", embeddings);
    this.child(name, stack);
  }

  protected embed(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.embeddings.forward(input, context);
  }

  protected rowsOf({ layout }: ModelInput): RowLayout {
    return layout;
  }
}
