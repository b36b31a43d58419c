// Attention of new tokens over a cache of keys and values, for generation. It has no gradient.
// Shapes: N new tokens of all sequences, H heads, G key heads, head size D. A cache has P rows of width W = G·D; each of the B sequences
// has consecutive rows.
import * as torch from "../torch/index.js";
import { usesKernel } from "./choose.js";
import { attendOnDevice } from "./deviceAttention.js";
import type { AttentionOptions } from "./plainAttention.js";
import { type RowLayout, rowLayout } from "./rows.js";

/** The sequences' rows in a cache, as numbers and as tensors, [B] int64. */
export interface CachedSpans {
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  readonly startsTensor: torch.Tensor;
  readonly lengthsTensor: torch.Tensor;
}

/** A layer's keys and values for all tokens so far. */
export interface CachedRows extends CachedSpans {
  /** [P, W] */
  readonly keys: torch.Tensor;
  readonly values: torch.Tensor;
}

interface CachedAttentionOptions extends Pick<AttentionOptions, "heads" | "kvHeads" | "layout"> {
  readonly scale: number | undefined;
  /** The number of tokens before its own that a query attends to; undefined for no limit. */
  readonly before: number | undefined;
}

/** The kernel throws if an operand requires a gradient. */
const KERNEL = { isTwiceDifferentiable: true };

/**
 * Causal attention. A sequence's last query has the position of its last key.
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
  return attendOnDevice(q, pick(keys), pick(values), {
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
 * @param rows [N, W], in the layout `layout`
 * @param starts the cache row of each sequence's first new token, as numbers and as a tensor
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
