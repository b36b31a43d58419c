// The parts of Llama and its kin: layers that normalise before each sub-layer, with rotary positions and a gated feed-forward.
// Shapes: N tokens of all rows, K tokens kept, H hidden size.
import { addThenNorm, Dropout, Embedding, type ForwardContext, type Norm } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { DecoderAttention, type DecoderRows } from "./decoderAttention.js";
import type { DecoderConfig } from "./decoderConfig.js";
import { decoderNorm } from "./decoderNorm.js";
import { GatedMlp } from "./gatedMlp.js";
import type { ModelInput } from "./input.js";
import { LayerStack, pick, StackLayer } from "./layerStack.js";
import { ropeTables } from "./ropeTables.js";
import { StackedModel } from "./stackedModel.js";

class DecoderLayer extends StackLayer<DecoderRows> {
  private readonly attention: DecoderAttention;
  private readonly mlp: GatedMlp;
  private readonly attentionNorm: Norm;
  private readonly mlpNorm: Norm;
  /** Of what sub-layers give, where that is normalised too. */
  private readonly outputNorms: { readonly attention: Norm; readonly mlp: Norm } | undefined;
  private readonly attentionDropout: Dropout;
  private readonly mlpDropout: Dropout;

  constructor(config: DecoderConfig, layer: number) {
    super();
    const norm = (name: string) => this.child(name, decoderNorm(config, config.hiddenSize));
    this.attention = this.child("self_attn", new DecoderAttention(config, layer));
    this.mlp = this.child("mlp", new GatedMlp(config));
    this.attentionNorm = norm("input_layernorm");
    if (config.normsOutputs) {
      const attention = norm("post_attention_layernorm");
      this.mlpNorm = norm("pre_feedforward_layernorm");
      this.outputNorms = { attention, mlp: norm("post_feedforward_layernorm") };
    } else {
      this.mlpNorm = norm("post_attention_layernorm");
    }
    this.attentionDropout = this.child("resid_attn_dropout", new Dropout(config.residualDropout));
    this.mlpDropout = this.child("resid_mlp_dropout", new Dropout(config.residualDropout));
  }

  forward(x: torch.Tensor, rows: DecoderRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const attended = this.attention.forward(this.attentionNorm.forward(x), rows, context, only);
    const residual = { dropout: this.attentionDropout, norm: this.mlpNorm, context };
    const { sum, normed } = addThenNorm(normedBy(this.outputNorms?.attention, attended), pick(x, only), residual);
    const fed = normedBy(this.outputNorms?.mlp, this.mlp.forward(normed, context));
    return torch.add(this.mlpDropout.forward(fed, context), sum);
  }
}

const normedBy = (norm: Norm | undefined, x: torch.Tensor): torch.Tensor => norm?.forward(x) ?? x;

/** Embeddings, a stack of layers, and a norm: from tokens to normalised hidden states. */
export class DecoderModel extends StackedModel<DecoderRows> {
  readonly embeddings: Embedding;

  constructor(private readonly config: DecoderConfig) {
    const { vocabSize, hiddenSize, padTokenId, layers } = config;
    const stack = new LayerStack(Array.from({ length: layers }, (_, layer) => new DecoderLayer(config, layer)));
    const norm = decoderNorm(config, hiddenSize);
    super(stack, norm);
    this.embeddings = this.child("embed_tokens", new Embedding(vocabSize, hiddenSize, padTokenId));
    this.child("layers", stack);
    this.child("norm", norm);
  }

  /** Of a rope with two sets of frequencies, keys are turned anew where a sequence comes to the other set. */
  override holds(before: number, after: number): boolean {
    const ropes = Object.values(this.config.ropes);
    return ropes.every(({ switchesAfter: at = after }) => before > at || after <= at);
  }

  /** The factor is rounded to the dtype of what it scales, as in transformers. */
  protected embed({ inputIds }: ModelInput, context: ForwardContext): torch.Tensor {
    const { embeddingScale } = this.config;
    const embedded = this.embeddings.forward(inputIds, context);
    if (embeddingScale === undefined) return embedded;
    return torch.mul(embedded, torch.castTo(torch.tensor([embeddingScale], [1]), embedded.dtype));
  }

  protected rowsOf(input: ModelInput, _context: ForwardContext, dtype: torch.DType): DecoderRows {
    return { layout: input.layout, rotary: ropeTables(this.config.ropes, input, dtype), cache: input.cache };
  }
}
