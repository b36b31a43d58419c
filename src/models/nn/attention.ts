// Attention for models, with dropout, sliding windows and a cache.
// Shapes: N queries, M keys, H heads, G key heads, head size D.
import { BidoraError } from "../../base/index.js";
import type { Tensor } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import {
  type AttentionLimits,
  type AttentionOptions,
  attention,
  attentionCached,
  type RowLayout,
} from "../../torch/operators/index.js";
import type { Dropout, ForwardContext } from "./context.js";
import type { KeyValueCache } from "./keyValueCache.js";

/** How many tokens before and after its own position a query attends to; undefined for no limit. */
export interface AttentionWindow {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** Attention's options besides its operands. */
export interface AttendOptions extends Pick<AttentionOptions, "bias" | "scores"> {
  readonly heads: number;
  /** Key and value heads, each shared by `heads / kvHeads` adjacent query heads. Default: `heads`. */
  readonly kvHeads?: number | undefined;
  /** The layout of the queries' sequences. Several documents packed into one row are several sequences. */
  readonly layout: RowLayout;
  /** The layout of the same sequences' keys, if a cache has more keys than there are queries. Default: `layout`. */
  readonly keyLayout?: RowLayout | undefined;
  /** Whether queries attend only to keys up to their own position. A sequence's last query has the position of its last key. */
  readonly causal?: boolean | undefined;
  /** A sliding window. transformers' `sliding_window` of n tokens is causal with `{ before: n - 1 }`. */
  readonly window?: AttentionWindow | undefined;
  /** The positive scale of the products. Default: 1 / √D. */
  readonly scale?: number | undefined;
  readonly dropout: Dropout;
  readonly context: ForwardContext;
}

/**
 * Attention over packed tokens: softmax(scale·q·kᵀ + bias)·v for each sequence and head. If it is causal or has a window, no sequence may
 * have more queries than keys.
 * @param q [N, H·D]
 * @param k [M, G·D], like v
 * @returns [N, H·D]
 */
export function attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttendOptions): torch.Tensor {
  const { layout, keyLayout = layout, heads, kvHeads = heads, dropout, context, bias, scores } = options;
  const mask = dropout.draw([layout.lengths.length, heads, longest(layout), longest(keyLayout)], context);
  return attention(q, k, v, {
    heads,
    kvHeads,
    layout,
    keyLayout,
    limits: limitsOf(options),
    scale: options.scale ?? 1 / Math.sqrt(q.shape[1]! / heads),
    dropout: mask && { p: dropout.p, mask },
    bias,
    scores,
  });
}

function limitsOf({ causal, window, layout, keyLayout = layout }: AttendOptions): AttentionLimits {
  const limits = { before: window?.before ?? null, after: causal ? 0 : (window?.after ?? null) };
  const isLimited = limits.before !== null || limits.after !== null;
  const row = layout.lengths.findIndex((length, i) => length > keyLayout.lengths[i]!);
  if (!isLimited || row < 0) return limits;
  throw new BidoraError(
    "ATTENTION",
    `Causal or windowed attention needs at least as many keys as queries in every sequence; sequence ${row} has ${layout.lengths[row]} queries and ${keyLayout.lengths[row]} keys: pass the keys' layout as keyLayout.`,
  );
}

function longest({ lengths }: RowLayout): number {
  return lengths.reduce((a, b) => Math.max(a, b));
}

/** The options of causal attention besides its operands. */
export type CausalOptions = Omit<AttendOptions, "keyLayout" | "causal" | "bias" | "scores" | "window"> & {
  /** The number of tokens before its own that a query attends to; undefined for no limit. */
  readonly before?: number | undefined;
};

/** The keys of sequences some of which begin with tokens of others. */
export interface SharedKeys {
  /** The layout of the sequences' keys. */
  readonly layout: RowLayout;
  /** [M] int64: the token of each key. */
  readonly tokens: torch.Tensor;
}

/** The keys that a layer's queries attend to besides those of their own tokens. */
export interface EarlierKeys {
  readonly cache: KeyValueCache | undefined;
  /** The layer's index in the cache. */
  readonly layer: number;
  readonly shared?: SharedKeys | undefined;
}

/**
 * Causal attention of new tokens over themselves and the earlier tokens of their sequences: cached ones, or those of other sequences. Adds
 * their keys and values to the cache. There is no gradient with a cache.
 * @param q [N, H·D]
 * @param k [N, G·D], like v
 * @returns [N, H·D]
 */
export function causalAttention(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  { cache, layer, shared }: EarlierKeys,
  { before, ...options }: CausalOptions,
): torch.Tensor {
  if (!cache) {
    const [keys, values] = [k, v].map((x) => (shared ? torch.indexSelect(x, 0, shared.tokens) : x)) as [Tensor, Tensor];
    return attend(q, keys, values, { ...options, keyLayout: shared?.layout, causal: true, window: { before } });
  }
  const { layout, heads, kvHeads = heads, scale } = options;
  return attentionCached(q, cache.extend(layer, k, v, layout, kvHeads), { heads, kvHeads, layout, scale, before });
}
