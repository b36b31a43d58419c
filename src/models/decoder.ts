// The parts of Llama and its kin: layers that normalise before each sub-layer, with rotary positions and a gated feed-forward.
// Shapes: N tokens of all rows, K tokens kept, H hidden size.
import { addThenNorm, Dropout, Embedding, type ForwardContext, type Norm } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { Backbone } from "./backbone.js";
import { DecoderAttention, type DecoderRows } from "./decoderAttention.js";
import type { DecoderConfig } from "./decoderConfig.js";
import { decoderNorm } from "./decoderNorm.js";
import { GatedMlp } from "./gatedMlp.js";
import type { ModelInput } from "./input.js";
import { LayerStack, pick, StackLayer } from "./layerStack.js";
import { ropeTables } from "./ropeTables.js";

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
export class DecoderModel extends Backbone {
  readonly embeddings: Embedding;
  private readonly stack: LayerStack<DecoderRows>;
  private readonly norm: Norm;

  constructor(private readonly config: DecoderConfig) {
    super();
    const { vocabSize, hiddenSize, padTokenId, layers } = config;
    this.embeddings = this.child("embed_tokens", new Embedding(vocabSize, hiddenSize, padTokenId));
    const stack = Array.from({ length: layers }, (_, layer) => new DecoderLayer(config, layer));
    this.stack = this.child("layers", new LayerStack(stack));
    this.norm = this.child("norm", decoderNorm(config, hiddenSize));
  }

  forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const hidden = this.stack.forward(this.embed(input, context), this.rowsOf(input), context, only);
    input.cache?.advance(input.layout);
    return this.norm.forward(hidden);
  }

  /** Of a rope with two sets of frequencies, keys are turned anew where a sequence comes to the other set. */
  override holds(before: number, after: number): boolean {
    const ropes = Object.values(this.config.ropes);
    return ropes.every(({ switchesAfter: at = after }) => before > at || after <= at);
  }

  /** As transformers lists them, the last one is normalised. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    const states = this.stack.states(this.embed(input, context), this.rowsOf(input), context);
    return [...states.slice(0, -1), this.norm.forward(states.at(-1) as torch.Tensor)];
  }

  /** The factor is rounded to the dtype of what it scales, as in transformers. */
  private embed({ inputIds }: ModelInput, context: ForwardContext): torch.Tensor {
    const { embeddingScale } = this.config;
    const embedded = this.embeddings.forward(inputIds, context);
    if (embeddingScale === undefined) return embedded;
    return torch.mul(embedded, torch.castTo(torch.tensor([embeddingScale], [1]), embedded.dtype));
  }

  private rowsOf(input: ModelInput): DecoderRows {
    return { layout: input.layout, rotary: ropeTables(this.config.ropes, input), cache: input.cache };
  }
}
