// Shapes: N new tokens, H heads, G heads of keys, D size of a head.
import * as torch from "../torch/index.js";
import { type AttendOptions, attend } from "./attention.js";
import type { KeyValueCache } from "./keyValueCache.js";

/** What causal attention depends on beside its operands. */
export type CausalOptions = Omit<AttendOptions, "keyLayout" | "causal" | "scores" | "window"> & {
  /** Tokens before its own that a query sees; undefined is no limit. */
  readonly before?: number | undefined;
};

/** A layer's place in a cache. */
export interface LayerCache {
  readonly cache: KeyValueCache | undefined;
  /** Its number. */
  readonly layer: number;
}

/**
 * Causal attention of new tokens over themselves and what a cache holds of their sequences, which takes in theirs. A cache is for use
 * alone: no gradient flows through it.
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
  const { layout, heads, kvHeads = heads, scale = null } = options;
  const { keys, values, starts, lengths } = cache.extend(layer, k, v, layout);
  const rest = { scale, before: before ?? null };
  return torch.attentionCached(q, keys, values, layout.cuSeqlens, starts, lengths, heads, kvHeads, rest);
}
