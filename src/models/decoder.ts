// The parts of Llama and its kin: layers that normalise before each sub-layer, with rotary positions and a gated feed-forward.
// Shapes: N tokens of all rows, K tokens kept, H hidden size, Q query heads · size of a head, G key heads · size of a head.
import {
  addThenNorm,
  attend,
  Dropout,
  Embedding,
  type ForwardContext,
  type GatedActivation,
  gatedActivation,
  type KeyValueCache,
  Linear,
  Module,
  type Norm,
  projectTogether,
  RmsNorm,
  type RotaryTables,
  type RowLayout,
  rotate,
} from "../nn/index.js";
import * as torch from "../torch/index.js";
import { Backbone } from "./backbone.js";
import type { DecoderConfig, LayerType } from "./decoderConfig.js";
import type { ModelInput } from "./input.js";
import { LayerStack, pick, StackLayer } from "./layerStack.js";
import { ropeTables } from "./ropeTables.js";

/** What decoder layers are told of their tokens. */
export interface DecoderRows {
  readonly layout: RowLayout;
  readonly rotary: Readonly<Record<LayerType, RotaryTables>>;
  readonly cache: KeyValueCache | undefined;
}

/** Grouped-query attention with rotary positions. */
class Attention extends Module {
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  private readonly output: Linear;
  private readonly queryNorm: RmsNorm | undefined;
  private readonly keyNorm: RmsNorm | undefined;
  private readonly dropout: Dropout;

  constructor(
    private readonly config: DecoderConfig,
    private readonly layer: number,
  ) {
    super();
    const { hiddenSize, heads, kvHeads, headSize, queryBias: bias, normEpsilon } = config;
    this.query = this.child("q_proj", new Linear(hiddenSize, heads * headSize, { bias }));
    this.key = this.child("k_proj", new Linear(hiddenSize, kvHeads * headSize, { bias }));
    this.value = this.child("v_proj", new Linear(hiddenSize, kvHeads * headSize, { bias }));
    this.output = this.child("o_proj", new Linear(heads * headSize, hiddenSize, { bias: config.outputBias }));
    if (config.normsHeads) {
      this.queryNorm = this.child("q_norm", new RmsNorm(headSize, normEpsilon));
      this.keyNorm = this.child("k_norm", new RmsNorm(headSize, normEpsilon));
    }
    this.dropout = new Dropout(config.attentionDropout);
  }

  /** x: N,H → N,H, or K,H for the tokens in `only` */
  forward(x: torch.Tensor, rows: DecoderRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const { heads, kvHeads, layerTypes, slidingWindow } = this.config;
    const type = layerTypes[this.layer] as LayerType;
    const layers = [this.query, this.key, this.value];
    const [q, k, v] = projectTogether(layers, x, context) as [torch.Tensor, torch.Tensor, torch.Tensor];
    const query = rotate(normHeads(q, this.queryNorm), rows.rotary[type], heads);
    const key = rotate(normHeads(k, this.keyNorm), rows.rotary[type], kvHeads);
    const past = rows.cache?.extend(this.layer, key, v, rows.layout) ?? { keys: key, values: v, layout: rows.layout };
    const window = type === "sliding_attention" && slidingWindow !== undefined ? { before: slidingWindow - 1 } : {};
    const mixed = attend(query, past.keys, past.values, {
      heads,
      kvHeads,
      layout: rows.layout,
      keyLayout: past.layout,
      causal: true,
      window,
      dropout: this.dropout,
      context,
    });
    return this.output.forward(pick(mixed, only), context);
  }
}

/** Normalises each head alone. x: [N, heads·D] → the same */
function normHeads(x: torch.Tensor, norm: Norm | undefined): torch.Tensor {
  if (!norm) return x;
  return torch.view(norm.forward(torch.view(x, [-1, norm.size])), x.shape);
}

/** down(activation(gate(x))·up(x)) */
class GatedMlp extends Module {
  private readonly gate: Linear;
  private readonly up: Linear;
  private readonly down: Linear;
  private readonly activation: GatedActivation;

  constructor({ hiddenSize, intermediateSize, mlpBias: bias, activation }: DecoderConfig) {
    super();
    this.gate = this.child("gate_proj", new Linear(hiddenSize, intermediateSize, { bias }));
    this.up = this.child("up_proj", new Linear(hiddenSize, intermediateSize, { bias }));
    this.down = this.child("down_proj", new Linear(intermediateSize, hiddenSize, { bias }));
    this.activation = gatedActivation(activation);
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const [gate, up] = projectTogether([this.gate, this.up], x, context) as [torch.Tensor, torch.Tensor];
    return this.down.forward(this.activation(gate, up), context);
  }
}

/** Nothing in a layer is dropped but attention's weights. */
const NO_DROPOUT = new Dropout(0);

class DecoderLayer extends StackLayer<DecoderRows> {
  private readonly attention: Attention;
  private readonly mlp: GatedMlp;
  private readonly attentionNorm: RmsNorm;
  private readonly mlpNorm: RmsNorm;

  constructor(config: DecoderConfig, layer: number) {
    super();
    const norm = () => new RmsNorm(config.hiddenSize, config.normEpsilon);
    this.attention = this.child("self_attn", new Attention(config, layer));
    this.mlp = this.child("mlp", new GatedMlp(config));
    this.attentionNorm = this.child("input_layernorm", norm());
    this.mlpNorm = this.child("post_attention_layernorm", norm());
  }

  forward(x: torch.Tensor, rows: DecoderRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const attended = this.attention.forward(this.attentionNorm.forward(x), rows, context, only);
    const residual = { dropout: NO_DROPOUT, norm: this.mlpNorm, context };
    const { sum, normed } = addThenNorm(attended, pick(x, only), residual);
    return torch.add(this.mlp.forward(normed, context), sum);
  }
}

/** Embeddings, a stack of layers, and a norm: from tokens to normalised hidden states. */
export class DecoderModel extends Backbone {
  readonly embeddings: Embedding;
  private readonly stack: LayerStack<DecoderRows>;
  private readonly norm: Norm;

  constructor(private readonly config: DecoderConfig) {
    super();
    const { vocabSize, hiddenSize, padTokenId, layers, normEpsilon } = config;
    this.embeddings = this.child("embed_tokens", new Embedding(vocabSize, hiddenSize, padTokenId));
    const stack = Array.from({ length: layers }, (_, layer) => new DecoderLayer(config, layer));
    this.stack = this.child("layers", new LayerStack(stack));
    this.norm = this.child("norm", new RmsNorm(hiddenSize, normEpsilon));
  }

  forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const rows = this.rowsOf(input);
    const hidden = this.stack.forward(this.embeddings.forward(input.inputIds, context), rows, context, only);
    input.cache?.advance(input.layout);
    return this.norm.forward(hidden);
  }

  /** As transformers lists them, the last one is normalised. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    const embedded = this.embeddings.forward(input.inputIds, context);
    const states = this.stack.states(embedded, this.rowsOf(input), context);
    return [...states.slice(0, -1), this.norm.forward(states.at(-1) as torch.Tensor)];
  }

  private rowsOf(input: ModelInput): DecoderRows {
    return { layout: input.layout, rotary: ropeTables(this.config.ropes, input), cache: input.cache };
  }
}
