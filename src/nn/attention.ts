// Shapes: N queries, M keys, H heads, G heads of keys, D size of a head.
import { BidoraError } from "../common/errors.js";
import * as torch from "../torch/index.js";
import type { ForwardContext, MaskKey } from "./context.js";
import type { Drawn, Dropout } from "./dropout.js";
import { attendPlainly } from "./plainAttention.js";
import type { RowLayout } from "./rows.js";

/** How many tokens before and after its own position a query sees; undefined is no limit. */
export interface AttentionWindow {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** How many keys beside its own position a query sees; null is no limit. */
export interface Limits {
  readonly before: number | null;
  readonly after: number | null;
}

/** What attention depends on beside its operands. */
export interface AttendOptions {
  readonly heads: number;
  /** Heads of keys and values, each shared by `heads / kvHeads` neighbouring heads of queries. Default: `heads`. */
  readonly kvHeads?: number | undefined;
  /** The sequences that queries belong to. Several documents packed into one row are several sequences. */
  readonly layout: RowLayout;
  /** The same sequences' keys, where a cache holds more of them than there are queries. Default: `layout`. */
  readonly keyLayout?: RowLayout | undefined;
  /** A query sees no later key. The last query of a sequence stands at its last key. */
  readonly causal?: boolean | undefined;
  /** A sliding window of n tokens, as transformers' `sliding_window`, is causal with `{ before: n - 1 }`. */
  readonly window?: AttentionWindow | undefined;
  /** What products are multiplied by, above 0. Default: 1 / √D. */
  readonly scale?: number | undefined;
  /**
   * What is added to the scaled products, such as a term for relative positions.
   * @param q [R, H, Lq, D]: R sequences of like length, padded to the longest
   * @param k [R, H, Lk, D]
   * @returns [R, H, Lq, Lk], or what is expanded to it
   */
  readonly scores?: ((q: torch.Tensor, k: torch.Tensor) => torch.Tensor) | undefined;
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
  const { layout, keyLayout = layout, heads, kvHeads = heads, dropout, context } = options;
  const sizes = [layout.lengths.length, heads, longest(layout), longest(keyLayout)];
  const drawn = dropout.draw(sizes, context);
  const limits = limitsOf(options);
  const scale = options.scale ?? 1 / Math.sqrt((q.shape[1] as number) / heads);
  if (!isFused(options, drawn)) {
    return attendPlainly(q, k, v, { ...options, keyLayout, kvHeads, limits, scale }, drawn);
  }
  const mask = drawn && { ...(drawn as MaskKey), p: dropout.p };
  const rest = { ...limits, ...mask };
  return torch.attention(q, k, v, layout.cuSeqlens, keyLayout.cuSeqlens, heads, kvHeads, scale, rest);
}

/**
 * Whether the fused operator serves, which reads flat rows and keeps nothing of size N·M. It has no second derivative, knows no
 * scores but its own products, and draws its masks itself.
 */
export function isFused({ context, scores }: Pick<AttendOptions, "context" | "scores">, drawn: Drawn): boolean {
  return !context.differentiateTwice && !scores && !(drawn instanceof torch.Tensor);
}

function limitsOf({ causal, window, layout, keyLayout = layout }: AttendOptions): Limits {
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
