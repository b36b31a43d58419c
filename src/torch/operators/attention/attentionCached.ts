// Attention of new tokens over a cache of keys and values, for generation. It has no gradient.
// Shapes: N new tokens of all sequences, H heads, G key heads, head size D. A cache has P rows of width W = G·D; each of the B sequences
// has consecutive rows.
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { attendOnDevice } from "./fusedAttention.js";
import type { AttentionOptions } from "./plainAttention.js";
import { type RowLayout, rowLayout } from "./rows.js";

/** The sequences' rows in a cache, as numbers and as tensors, [B] int64. */
export interface CachedSpans {
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  readonly startsTensor: torch.Tensor;
  readonly lengthsTensor: torch.Tensor;
}

/** A layer's keys, or its values. */
export interface CachedPart {
  /** [P, W], in the model's dtype or int8 */
  readonly rows: torch.Tensor;
  /** [P, G] float32, the scales of int8 */
  readonly scales?: torch.Tensor | undefined;
}

/** A layer's keys and values for all tokens so far. */
export interface CachedRows extends CachedSpans {
  readonly keys: CachedPart;
  readonly values: CachedPart;
}

interface CachedAttentionOptions extends Pick<AttentionOptions, "heads" | "kvHeads" | "layout"> {
  readonly scale: number | undefined;
  /** The number of tokens before its own that a query attends to; undefined for no limit. */
  readonly before: number | undefined;
}

/**
 * Causal attention. A sequence's last query has the position of its last key.
 * @param q [N, H·D]
 * @returns [N, H·D]
 */
export function attentionCached(q: torch.Tensor, cached: CachedRows, options: CachedAttentionOptions): torch.Tensor {
  const { heads, kvHeads, layout, before, scale } = options;
  const { keys, values, startsTensor, lengthsTensor } = cached;
  if (usesKernel(q)) {
    const scales = { keyScales: keys.scales ?? null, valueScales: values.scales ?? null };
    const rest = { scale: scale ?? null, before: before ?? null, ...scales };
    const spans = [layout.cuSeqlens, startsTensor, lengthsTensor] as const;
    return torch.attentionCached(q, keys.rows, values.rows, ...spans, heads, kvHeads, rest);
  }
  const rows = rowIndices(cached, q.device);
  const pick = (part: CachedPart) => rowsAt(part, rows, q.dtype);
  return attendOnDevice(q, pick(keys), pick(values), {
    heads,
    kvHeads,
    layout,
    keyLayout: rowLayout(cached.lengths, q.device),
    limits: { before: before ?? null, after: 0 },
    scale: scale ?? 1 / Math.sqrt(q.shape[1]! / heads),
  });
}

/** The rows of a cache at these indices, in a dtype. */
function rowsAt({ rows, scales }: CachedPart, indices: torch.Tensor, dtype: torch.DType): torch.Tensor {
  const picked = torch.indexSelect(rows, 0, indices);
  return scales ? decodeRows({ codes: picked, scales: torch.indexSelect(scales, 0, indices) }, dtype) : picked;
}

/**
 * Writes rows of new tokens into a cache.
 * @param given [N, W], in the layout `layout`
 * @param starts the cache row of each sequence's first new token, as numbers and as a tensor
 */
export function writeRows(
  { rows, scales }: CachedPart,
  given: torch.Tensor,
  { lengths, cuSeqlens }: Pick<RowLayout, "lengths" | "cuSeqlens">,
  { starts, startsTensor }: Pick<CachedSpans, "starts" | "startsTensor">,
): void {
  if (usesKernel(given)) {
    if (scales) torch.writeRowsInt8_(rows, scales, given, cuSeqlens, startsTensor);
    else torch.writeRows_(rows, given, cuSeqlens, startsTensor);
    return;
  }
  const indices = rowIndices({ starts, lengths }, rows.device);
  const encoded = scales && encodeInt8Rows(given, scales.shape[1]!);
  torch.indexCopy_(rows, 0, indices, encoded?.codes ?? given);
  if (scales && encoded) torch.indexCopy_(scales, 0, indices, encoded.scales);
}

/** [rows of all sequences] int64 */
function rowIndices({ starts, lengths }: Pick<CachedSpans, "starts" | "lengths">, device: string): torch.Tensor {
  const indices = lengths.flatMap((length, i) => Array.from({ length }, (_, k) => starts[i]! + k));
  return torch.tensor(indices, [indices.length], "int64", device);
}

/** Rows in int8, code · scale, with a scale for each row and head, its largest magnitude / 127: codes [N, W] int8 and scales [N, G] float32. */
interface Int8Rows {
  readonly codes: torch.Tensor;
  readonly scales: torch.Tensor;
}

const MOST_CODE = 127;
/** A head whose numbers are all smaller is 0. */
const LEAST_MAGNITUDE = 1e-30;

/** Rounds rows [N, W]. Where a head's numbers are not all finite, none that is decoded is. */
function encodeInt8Rows(rows: torch.Tensor, heads: number): Int8Rows {
  const split = torch.castTo(torch.reshape(rows, [rows.shape[0]!, heads, -1]), "float32");
  const largest = torch.amax(torch.abs(split), [-1], true);
  const isSmall = torch.ltScalar(largest, LEAST_MAGNITUDE);
  const scales = torch.maskedFill(torch.divScalar(largest, MOST_CODE), isSmall, 0);
  const codes = torch.round(torch.maskedFill(torch.div(split, scales), isSmall, 0));
  return { codes: torch.reshape(torch.to(codes, "int8"), rows.shape), scales: torch.squeeze(scales, -1) };
}

/** @returns [N, W] */
function decodeRows({ codes, scales }: Int8Rows, dtype: torch.DType): torch.Tensor {
  const split = torch.castTo(torch.reshape(codes, [...scales.shape, -1]), "float32");
  return torch.castTo(torch.reshape(torch.mul(split, torch.unsqueeze(scales, -1)), codes.shape), dtype);
}
