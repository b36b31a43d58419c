// Attention as models call it, with dropout, windows and a cache.
// Shapes: N queries, M keys, H heads, G heads of keys, D size of a head.
import { BidoraError } from "../common/errors.js";
import { attention } from "../operators/attention.js";
import { attentionCached } from "../operators/attentionCached.js";
import type { AttentionLimits, AttentionOptions } from "../operators/plainAttention.js";
import type { RowLayout } from "../operators/rows.js";
import type * as torch from "../torch/index.js";
import type { Dropout, ForwardContext } from "./context.js";
import type { KeyValueCache } from "./keyValueCache.js";

/** How many tokens before and after its own position a query sees; undefined is no limit. */
export interface AttentionWindow {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** What attention depends on beside its operands. */
export interface AttendOptions extends Pick<AttentionOptions, "scores"> {
  readonly heads: number;
  /** Heads of keys and values, each shared by `heads / kvHeads` neighboring heads of queries. Default: `heads`. */
  readonly kvHeads?: number | undefined;
  /** The sequences that queries belong to. Several documents packed into one row are several sequences. */
  readonly layout: RowLayout;
  /** The same sequences' keys, where a cache holds more of them than there are queries. Default: `layout`. */
  readonly keyLayout?: RowLayout | undefined;
  /** A query sees no later key. The last query of a sequence belongs to its last key. */
  readonly causal?: boolean | undefined;
  /** A sliding window of n tokens, as transformers' `sliding_window`, is causal with `{ before: n - 1 }`. */
  readonly window?: AttentionWindow | undefined;
  /** What products are multiplied by, above 0. Default: 1 / √D. */
  readonly scale?: number | undefined;
  readonly dropout: Dropout;
  readonly context: ForwardContext;
}

/**
 * Attention over flat tokens: softmax(scale·q·kᵀ)·v for each sequence and head. Where a window or causality limits what a query
 * sees, no sequence may have more queries than keys.
 * @param q [N, H·D]
 * @param k [M, G·D]; v likewise
 * @returns [N, H·D]
 */
export function attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttendOptions): torch.Tensor {
  const { layout, keyLayout = layout, heads, kvHeads = heads, dropout, context, scores } = options;
  const mask = dropout.draw([layout.lengths.length, heads, longest(layout), longest(keyLayout)], context);
  return attention(q, k, v, {
    heads,
    kvHeads,
    layout,
    keyLayout,
    limits: limitsOf(options),
    scale: options.scale ?? 1 / Math.sqrt((q.shape[1] as number) / heads),
    dropout: mask && { p: dropout.p, mask },
    scores,
  });
}

function limitsOf({ causal, window, layout, keyLayout = layout }: AttendOptions): AttentionLimits {
  const limits = { before: window?.before ?? null, after: causal ? 0 : (window?.after ?? null) };
  const isLimited = limits.before !== null || limits.after !== null;
  const row = layout.lengths.findIndex((length, i) => length > (keyLayout.lengths[i] as number));
  if (!isLimited || row < 0) return limits;
  throw new BidoraError(
    "ATTENTION",
    `Expected at least as many keys as queries in every sequence, since a query does not see all keys; sequence ${row} has ${layout.lengths[row]} queries and ${keyLayout.lengths[row]} keys: give the keys' own layout.`,
  );
}

function longest({ lengths }: RowLayout): number {
  return lengths.reduce((a, b) => Math.max(a, b));
}

/** What causal attention depends on beside its operands. */
export type CausalOptions = Omit<AttendOptions, "keyLayout" | "causal" | "scores" | "window"> & {
  /** Tokens before its own that a query sees; undefined is no limit. */
  readonly before?: number | undefined;
};

/** A layer's part of a cache. */
export interface LayerCache {
  readonly cache: KeyValueCache | undefined;
  /** The layer's number. */
  readonly layer: number;
}

/**
 * Causal attention of new tokens over themselves and over what a cache holds of their sequences; their keys and values are added to
 * it. No gradient flows through a cache.
 * @param q [N, H·D]
 * @param k [N, G·D]; v likewise
 * @returns [N, H·D]
 */
export function attendCausally(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  { cache, layer }: LayerCache,
  { before, ...options }: CausalOptions,
): torch.Tensor {
  if (!cache) return attend(q, k, v, { ...options, causal: true, window: { before } });
  const { layout, heads, kvHeads = heads, scale } = options;
  return attentionCached(q, cache.extend(layer, k, v, layout), { heads, kvHeads, layout, scale, before });
}
