// Attention of new tokens over a cache of keys and values, for generation: no gradient flows through it.
// Shapes: N new tokens of all sequences, H heads, G heads of keys, D size of a head; a cache has P rows of width W = G·D, and each of the
// B sequences has consecutive rows of it.
import * as torch from "../torch/index.js";
import { usesKernel } from "./choose.js";
import { type AttentionOptions, attendByFormula } from "./plainAttention.js";
import { type RowLayout, rowLayout } from "./rows.js";

/** Where sequences lie in a cache: numbers, and the same as tensors, [B] int64. */
export interface CachedSpans {
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  readonly startsTensor: torch.Tensor;
  readonly lengthsTensor: torch.Tensor;
}

/** A layer's keys and values of all tokens so far. */
export interface CachedRows extends CachedSpans {
  /** [P, W] */
  readonly keys: torch.Tensor;
  readonly values: torch.Tensor;
}

interface CachedAttentionOptions extends Pick<AttentionOptions, "heads" | "kvHeads" | "layout"> {
  readonly scale: number | undefined;
  /** Tokens before its own that a query sees; undefined is no limit. */
  readonly before: number | undefined;
}

/** The kernel refuses what requires a gradient. */
const KERNEL = { isTwiceDifferentiable: true };

/**
 * Causal attention. A sequence's last query belongs to its last key.
 * @param q [N, H·D]
 * @returns [N, H·D]
 */
export function attentionCached(q: torch.Tensor, cached: CachedRows, options: CachedAttentionOptions): torch.Tensor {
  const { heads, kvHeads, layout, before, scale } = options;
  const { keys, values, startsTensor, lengthsTensor } = cached;
  if (usesKernel(KERNEL, q)) {
    const rest = { scale: scale ?? null, before: before ?? null };
    const spans = [layout.cuSeqlens, startsTensor, lengthsTensor] as const;
    return torch.attentionCached(q, keys, values, ...spans, heads, kvHeads, rest);
  }
  const rows = rowIndices(cached, q.device);
  const pick = (of: torch.Tensor) => torch.indexSelect(of, 0, rows);
  return attendByFormula(q, pick(keys), pick(values), {
    heads,
    kvHeads,
    layout,
    keyLayout: rowLayout(cached.lengths, q.device),
    limits: { before: before ?? null, after: 0 },
    scale: scale ?? 1 / Math.sqrt((q.shape[1] as number) / heads),
  });
}

/**
 * Writes rows of new tokens into a cache.
 * @param rows [N, W], laid out as `layout`
 * @param starts the cache row of each sequence's first new token, and the same as a tensor
 */
export function writeRows(
  cache: torch.Tensor,
  rows: torch.Tensor,
  { lengths, cuSeqlens }: Pick<RowLayout, "lengths" | "cuSeqlens">,
  { starts, startsTensor }: Pick<CachedSpans, "starts" | "startsTensor">,
): void {
  if (usesKernel(KERNEL, cache)) torch.writeRows_(cache, rows, cuSeqlens, startsTensor);
  else torch.indexCopy_(cache, 0, rowIndices({ starts, lengths }, cache.device), rows);
}

/** [rows of all sequences] int64 */
function rowIndices({ starts, lengths }: Pick<CachedSpans, "starts" | "lengths">, device: string): torch.Tensor {
  const indices = lengths.flatMap((length, i) => Array.from({ length }, (_, k) => (starts[i] as number) + k));
  return torch.tensor(indices, [indices.length], "int64", device);
}
