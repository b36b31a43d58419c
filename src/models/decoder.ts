// Llama-like decoders: pre-norm layers with rotary positions, grouped-query attention and a gated MLP.
// Shapes: N tokens of all rows, K selected tokens, H hidden size, Q query heads × head size, G key heads × head size.

import * as torch from "../torch/index.js";
import { type Architecture, architecture } from "./architecture.js";
import { LayerStack, type ModelInput, StackedModel, StackLayer, selectTokens } from "./backbone.js";
import type { ConfigReader, LayerType } from "./configReader.js";
import { type DecoderConfig, type DecoderDefaults, type OwnSettings, parseDecoderConfig } from "./decoderConfig.js";
import { languageHead, linearHead, scoreHead } from "./heads.js";
import {
  addThenNorm,
  causalAttention,
  Dropout,
  Embedding,
  type ForwardContext,
  type GatedActivation,
  gatedActivation,
  type KeyValueCache,
  Linear,
  Module,
  type Norm,
  OffsetRmsNorm,
  partsOf,
  projectTogether,
  RmsNorm,
  type RotaryTables,
  type RowLayout,
  rotate,
  type SharedKeys,
} from "./nn/index.js";
import { ropeTables } from "./rope.js";

/** What all layers share about the batch. */
interface DecoderRows {
  readonly layout: RowLayout;
  readonly rotary: Readonly<Record<LayerType, RotaryTables>>;
  readonly cache: KeyValueCache | undefined;
  readonly shared: SharedKeys | undefined;
}

/** The norm of a decoder, for vectors of this size. */
function decoderNorm({ normsFromOne, normEpsilon }: DecoderConfig, size: number): Norm {
  return normsFromOne ? new OffsetRmsNorm(size, normEpsilon) : new RmsNorm(size, normEpsilon);
}

/** Grouped-query attention with rotary position embeddings, in layers that have them. */
class DecoderAttention extends Module {
  /** Query, key and value projections, or a fused one. */
  private readonly projections: readonly Linear[];
  private readonly output: Linear;
  private readonly queryNorm: Norm | undefined;
  private readonly keyNorm: Norm | undefined;
  private readonly dropout: Dropout;

  constructor(
    private readonly config: DecoderConfig,
    private readonly layer: number,
  ) {
    super();
    const { hiddenSize, heads, headSize, queryBias: bias } = config;
    const projection = (name: string, width: number) => this.child(name, new Linear(hiddenSize, width, { bias }));
    const [q, k, v] = this.widths;
    this.projections = config.fusesProjections
      ? [projection("qkv_proj", q + k + v)]
      : [projection("q_proj", q), projection("k_proj", k), projection("v_proj", v)];
    this.output = this.child("o_proj", new Linear(heads * headSize, hiddenSize, { bias: config.outputBias }));
    if (config.normsHeads) {
      this.queryNorm = this.child("q_norm", decoderNorm(config, headSize));
      this.keyNorm = this.child("k_norm", decoderNorm(config, headSize));
    }
    this.dropout = this.child("dropout", new Dropout(config.attentionDropout));
  }

  /** x: N,H → N,H, or K,H for only the selected tokens */
  forward(x: torch.Tensor, rows: DecoderRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const { heads, kvHeads, layerTypes, slidingWindow, rotatesIn, attentionScale: scale } = this.config;
    const type = layerTypes[this.layer]!;
    const [q, k, v] = this.project(x, context);
    const turned = (x: torch.Tensor, count: number) =>
      rotatesIn?.[this.layer] === false ? x : rotate(x, rows.rotary[type], count);
    const query = turned(normHeads(q, this.queryNorm), heads);
    const key = turned(normHeads(k, this.keyNorm), kvHeads);
    const before = type === "sliding_attention" && slidingWindow !== undefined ? slidingWindow - 1 : undefined;
    const { layout, cache, shared } = rows;
    const options = { heads, kvHeads, layout, before, scale, dropout: this.dropout, context };
    const mixed = causalAttention(query, key, v, { cache, layer: this.layer, shared }, options);
    return this.output.forward(selectTokens(mixed, only), context);
  }

  /** x: N,H → queries N,Q, keys and values N,G */
  private project(x: torch.Tensor, context: ForwardContext) {
    const [q, k, v] = projectTogether(this.projections, x, context);
    return k && v ? ([q!, k, v] as const) : partsOf(q!, this.widths);
  }

  private get widths(): readonly [number, number, number] {
    const { heads, kvHeads, headSize } = this.config;
    return [heads * headSize, kvHeads * headSize, kvHeads * headSize];
  }
}

/** Normalizes each head. x: [N, heads·D] → same shape */
function normHeads(x: torch.Tensor, norm: Norm | undefined): torch.Tensor {
  if (!norm) return x;
  return torch.view(norm.forward(torch.view(x, [-1, norm.size])), x.shape);
}

/** down(activation(gate(x))·up(x)) */
class GatedMlp extends Module {
  /** Gate and up projections, or a fused one. */
  private readonly projections: readonly Linear[];
  private readonly down: Linear;
  private readonly activation: GatedActivation;

  constructor({ hiddenSize, intermediateSize, mlpBias: bias, activation, fusesProjections }: DecoderConfig) {
    super();
    const projection = (name: string, width: number) => this.child(name, new Linear(hiddenSize, width, { bias }));
    this.projections = fusesProjections
      ? [projection("gate_up_proj", 2 * intermediateSize)]
      : [projection("gate_proj", intermediateSize), projection("up_proj", intermediateSize)];
    this.down = this.child("down_proj", new Linear(intermediateSize, hiddenSize, { bias }));
    this.activation = gatedActivation(activation);
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const products = projectTogether(this.projections, x, context);
    const width = this.down.inFeatures;
    const [gate, up] = products[1] ? [products[0]!, products[1]] : partsOf(products[0]!, [width, width]);
    return this.down.forward(this.activation(gate, up), context);
  }
}

class DecoderLayer extends StackLayer<DecoderRows> {
  private readonly attention: DecoderAttention;
  private readonly mlp: GatedMlp;
  private readonly attentionNorm: Norm;
  private readonly mlpNorm: Norm;
  /** Norms on the outputs of sub-layers, in models that have them. */
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
    const { sum, normed } = addThenNorm(
      normedBy(this.outputNorms?.attention, attended),
      selectTokens(x, only),
      residual,
    );
    const fed = normedBy(this.outputNorms?.mlp, this.mlp.forward(normed, context));
    return torch.add(this.mlpDropout.forward(fed, context), sum);
  }
}

const normedBy = (norm: Norm | undefined, x: torch.Tensor): torch.Tensor => norm?.forward(x) ?? x;

/** Embeddings, layers and a final norm. */
class DecoderModel extends StackedModel<DecoderRows> {
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

  /** With RoPE scaling that switches frequencies at a length, cached keys are invalid once a sequence passes it, or is cut back to it. */
  override cacheStaysValid(before: number, after: number): boolean {
    const ropes = Object.values(this.config.ropes);
    return ropes.every(({ switchesAfter: at }) => at === undefined || before > at === after > at);
  }

  /** As in transformers, the scale is rounded to the dtype of the embeddings. */
  protected embed({ inputIds }: ModelInput, context: ForwardContext): torch.Tensor {
    const { embeddingScale } = this.config;
    const embedded = this.embeddings.forward(inputIds, context);
    if (embeddingScale === undefined) return embedded;
    return torch.mul(
      embedded,
      torch.castTo(torch.tensor([embeddingScale], [1], "float32", embedded.device), embedded.dtype),
    );
  }

  protected rowsOf(input: ModelInput, _context: ForwardContext, dtype: torch.DType): DecoderRows {
    const { layout, cache, shared } = input;
    return { layout, cache, shared, rotary: ropeTables(this.config.ropes, input, dtype) };
  }
}

/** What a Llama-like architecture has of its own. */
interface DecoderFamily extends Pick<Architecture, "className"> {
  /** transformers' class for causal language modeling, if its prefix differs. */
  readonly languageClassName?: string;
  /** Whether transformers has a class for token classification; true by default. */
  readonly classifiesTokens?: boolean;
  /** Whether question answering is supported; its class in transformers has the backbone at another path. False by default. */
  readonly answersQuestions?: boolean;
  readonly defaultTargetModules?: readonly string[];
  readonly defaults: DecoderDefaults;
  /** Reads the settings that not all decoders have. @throws BidoraError `CONFIG` for a value that is invalid or not supported */
  settings(read: ConfigReader, layers: number): OwnSettings;
}

/** A Llama-like architecture, with the heads that transformers has for it. */
export function decoderArchitecture({
  className,
  languageClassName,
  classifiesTokens = true,
  answersQuestions = false,
  defaultTargetModules = ["q_proj", "v_proj"],
  defaults,
  settings,
}: DecoderFamily): Architecture {
  const head = languageHead<DecoderConfig>(
    "model.embed_tokens.weight",
    (backbone) => (backbone as DecoderModel).embeddings,
  );
  return architecture<DecoderConfig>({
    className,
    prefix: "model",
    defaultTargetModules,
    subLayerOutputs: { attention: ["self_attn.o_proj"], feedForward: ["mlp.down_proj"] },
    parseConfig: (json) => parseDecoderConfig(json, defaults, settings),
    backbone: (config) => new DecoderModel(config),
    heads: {
      ForCausalLM: languageClassName === undefined ? head : { ...head, className: languageClassName },
      ForSequenceClassification: scoreHead,
      ForTokenClassification: classifiesTokens ? linearHead("score", (config) => config.classifierDropout) : null,
      ForQuestionAnswering: answersQuestions ? { ...linearHead("qa_outputs", () => 0), prefix: "transformer" } : null,
    },
  });
}
