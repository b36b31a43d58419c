// Shapes: N tokens of all rows, K tokens kept, H hidden size.
import {
  type Activation,
  activation,
  addThenNorm,
  attendCausally,
  Dropout,
  Embedding,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  partsOf,
} from "../nn/index.js";
import * as torch from "../torch/index.js";
import { architecture } from "./architecture.js";
import { type Gpt2Config, parseGpt2Config } from "./gpt2Config.js";
import type { ModelInput } from "./input.js";
import { languageHead } from "./languageHead.js";
import { LayerStack, pick, StackLayer } from "./layerStack.js";
import { scoreHead } from "./scoreHead.js";
import { StackedModel } from "./stackedModel.js";

/** What layers are told of their tokens. */
type Gpt2Rows = Pick<ModelInput, "layout" | "cache">;

/** A linear layer whose weight lies [in, out] in checkpoints: transformers' `Conv1D`. */
const conv1d = (inFeatures: number, outFeatures: number) =>
  new Linear(inFeatures, outFeatures, { isStoredTransposed: true });

/** Causal attention; one product gives queries, keys and values. */
class Attention extends Module {
  private readonly together: Linear;
  private readonly output: Linear;
  private readonly dropout: Dropout;
  private readonly scale: number;

  constructor(
    private readonly config: Gpt2Config,
    private readonly layer: number,
  ) {
    super();
    const { hiddenSize, heads, attentionDropout, scalesAttention, scalesByLayer } = config;
    this.together = this.child("c_attn", conv1d(hiddenSize, 3 * hiddenSize));
    this.output = this.child("c_proj", conv1d(hiddenSize, hiddenSize));
    this.dropout = this.child("dropout", new Dropout(attentionDropout));
    this.scale = (scalesAttention ? (hiddenSize / heads) ** -0.5 : 1) / (scalesByLayer ? layer + 1 : 1);
  }

  /** x: N,H → N,H, or K,H for the tokens in `only` */
  forward(
    x: torch.Tensor,
    { layout, cache }: Gpt2Rows,
    context: ForwardContext,
    only: torch.Tensor | undefined,
  ): torch.Tensor {
    const { heads, hiddenSize } = this.config;
    const widths = [hiddenSize, hiddenSize, hiddenSize];
    const [q, k, v] = partsOf(this.together.forward(x, context), widths) as [torch.Tensor, torch.Tensor, torch.Tensor];
    const options = { heads, layout, scale: this.scale, dropout: this.dropout, context };
    const mixed = attendCausally(q, k, v, { cache, layer: this.layer }, options);
    return this.output.forward(pick(mixed, only), context);
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
    const { sum, normed } = addThenNorm(attended, pick(x, only), residual);
    return torch.add(this.mlpDropout.forward(this.mlp.forward(normed, context), context), sum);
  }
}

/** Token and position embeddings, blocks, and a norm. */
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
