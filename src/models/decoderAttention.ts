// Shapes: N tokens of all rows, K tokens kept, H hidden size, Q query heads · size of a head, G key heads · size of a head.
import {
  attendCausally,
  Dropout,
  type ForwardContext,
  type KeyValueCache,
  Linear,
  Module,
  type Norm,
  partsOf,
  projectTogether,
  type RotaryTables,
  type RowLayout,
  rotate,
} from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { DecoderConfig, LayerType } from "./decoderConfig.js";
import { decoderNorm } from "./decoderNorm.js";
import { pick } from "./layerStack.js";

/** What decoder layers are told of their tokens. */
export interface DecoderRows {
  readonly layout: RowLayout;
  readonly rotary: Readonly<Record<LayerType, RotaryTables>>;
  readonly cache: KeyValueCache | undefined;
}

/** Grouped-query attention with rotary positions. */
export class DecoderAttention extends Module {
  /** Of queries, keys and values; or one for all. */
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
    const [q, k, v] = this.widths as [number, number, number];
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

  /** x: N,H → N,H, or K,H for the tokens in `only` */
  forward(x: torch.Tensor, rows: DecoderRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const { heads, kvHeads, layerTypes, slidingWindow, attentionScale: scale } = this.config;
    const type = layerTypes[this.layer] as LayerType;
    const [q, k, v] = this.project(x, context) as [torch.Tensor, torch.Tensor, torch.Tensor];
    const query = rotate(normHeads(q, this.queryNorm), rows.rotary[type], heads);
    const key = rotate(normHeads(k, this.keyNorm), rows.rotary[type], kvHeads);
    const before = type === "sliding_attention" && slidingWindow !== undefined ? slidingWindow - 1 : undefined;
    const { layout, cache } = rows;
    const options = { heads, kvHeads, layout, before, scale, dropout: this.dropout, context };
    const mixed = attendCausally(query, key, v, { cache, layer: this.layer }, options);
    return this.output.forward(pick(mixed, only), context);
  }

  /** x: N,H → queries N,Q, keys and values N,G */
  private project(x: torch.Tensor, context: ForwardContext): readonly torch.Tensor[] {
    const products = projectTogether(this.projections, x, context);
    return products.length === 1 ? partsOf(products[0] as torch.Tensor, this.widths) : products;
  }

  private get widths(): readonly number[] {
    const { heads, kvHeads, headSize } = this.config;
    return [heads * headSize, kvHeads * headSize, kvHeads * headSize];
  }
}

/** Normalises each head alone. x: [N, heads·D] → the same */
function normHeads(x: torch.Tensor, norm: Norm | undefined): torch.Tensor {
  if (!norm) return x;
  return torch.view(norm.forward(torch.view(x, [-1, norm.size])), x.shape);
}
