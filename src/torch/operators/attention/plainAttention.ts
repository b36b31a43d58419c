// Attention by its formula, in libtorch's operators, with a second derivative and for any device.
// Shapes: H heads, G key heads, head size D; a padded group has R rows with up to Lq queries and Lk keys.
import * as torch from "../../index.js";
import { usesKernel } from "../choose.js";
import { type DropoutMask, type MaskKey, maskOf, philox, rowsBefore } from "../dropout.js";
import { groupRows, type PaddedGroup, padRows, type RowLayout, toFlat, toRows } from "./rows.js";

/** How many keys before and after its own position a query attends to; null for no limit. */
export interface AttentionLimits {
  readonly before: number | null;
  readonly after: number | null;
}

/** Attention's options besides its operands. */
export interface AttentionOptions {
  readonly heads: number;
  /** Key and value heads, each shared by `heads / kvHeads` adjacent query heads. */
  readonly kvHeads: number;
  /** The layout of the queries, and of the same sequences' keys. */
  readonly layout: RowLayout;
  readonly keyLayout: RowLayout;
  readonly limits: AttentionLimits;
  readonly scale: number;
  /** Dropout of the attention weights. A mask tensor has the shape [rows, H, most queries, most keys]. */
  readonly dropout?: { readonly p: number; readonly mask: DropoutMask } | undefined;
  /** Added to the scaled products, as for relative positions. Shape [H, L, L']; shorter rows use its upper left part. */
  readonly bias?: torch.Tensor | undefined;
  /**
   * Computes another term that is added to the scaled products.
   * @param q [R, H, Lq, D]: R sequences of similar length, padded to the longest
   * @param k [R, H, Lk, D]
   * @returns [R, H, Lq, Lk], or a shape that broadcasts to it
   */
  readonly scores?: ((q: torch.Tensor, k: torch.Tensor) => torch.Tensor) | undefined;
}

/** Queries and keys of the same rows. */
interface Groups {
  readonly queries: PaddedGroup;
  readonly keys: PaddedGroup;
}

/** Attention in groups of rows of similar length. q: [N, H·D], k and v: [M, G·D] → [N, H·D] */
export function attendByFormula(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  options: AttentionOptions,
): torch.Tensor {
  const { layout, keyLayout, heads, kvHeads } = options;
  const rows = groupRows(keyLayout.lengths);
  const queries = padRows(layout, rows);
  const keys = keyLayout === layout ? queries : padRows(keyLayout, rows);
  const mixed = queries.groups.map((group, i) => {
    const groups = { queries: group, keys: keys.groups[i]! };
    const spread = (x: torch.Tensor) => shareHeads(toHeads(toRows(x, groups.keys), kvHeads), heads / kvHeads);
    const split = [toHeads(toRows(q, group), heads), spread(k), spread(v)] as const;
    return fromHeads(attendGroup(...split, groups, options));
  });
  return toFlat(mixed, queries);
}

/** q: R,H,Lq,D; k, v: R,H,Lk,D → R,H,Lq,D */
function attendGroup(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  groups: Groups,
  { scale, bias, scores, limits, heads, dropout }: AttentionOptions,
): torch.Tensor {
  const products = torch.mulScalar(torch.matmul(q, torch.transpose(k, 2, 3)), scale); // R,H,Lq,Lk
  const biased = bias ? torch.add(products, upperLeft(bias, groups)) : products;
  const all = scores ? torch.add(biased, scores(q, k)) : biased;
  const hidden = hiddenKeys(groups, limits, q.device);
  const weights = torch.softmax(hidden ? torch.maskedFill(all, hidden, lowest(q.dtype)) : all, -1);
  const mask = dropout && dropoutMask(q, dropout, groups, heads);
  return torch.matmul(mask ? torch.mul(weights, mask) : weights, v);
}

/** The score of masked keys. Not −∞, so that padded queries, which attend to no key, get finite values, which are unused. */
const lowest = (dtype: torch.DType): number => (dtype === "float16" ? -65504 : -3e38);

/** [R, L, H·D] → [R, H, L, D] */
function toHeads(x: torch.Tensor, heads: number): torch.Tensor {
  const [rows, length, width] = x.shape as [number, number, number];
  return torch.transpose(torch.view(x, [rows, length, heads, width / heads]), 1, 2);
}

/** [R, G, L, D] → [R, G·times, L, D] */
function shareHeads(x: torch.Tensor, times: number): torch.Tensor {
  return times === 1 ? x : torch.repeatInterleave(x, times, 1);
}

/** [R, H, L, D] → [R, L, H·D] */
function fromHeads(x: torch.Tensor): torch.Tensor {
  const [rows, heads, length, size] = x.shape as [number, number, number, number];
  return torch.reshape(torch.transpose(x, 1, 2), [rows, length, heads * size]);
}

/** True for padding and for keys beyond the limits: [R, 1, Lq or 1, Lk]; undefined if no key is masked. */
function hiddenKeys(groups: Groups, { before, after }: AttentionLimits, device: string): torch.Tensor | undefined {
  const { present } = groups.keys;
  const distance = () => distances(groups, device);
  const hidden = [
    present && torch.logicalNot(torch.unsqueeze(torch.unsqueeze(present, 1), 1)),
    before === null ? undefined : torch.gtScalar(distance(), before),
    after === null ? undefined : torch.ltScalar(distance(), -after),
  ].filter((mask) => mask !== undefined);
  return hidden.length > 0 ? hidden.reduce((a, b) => torch.logicalOr(a, b)) : undefined;
}

/** The distance from each key to each query, where a row's last query has the position of its last key: [R, 1, Lq, Lk] int64. */
function distances({ queries, keys }: Groups, device: string): torch.Tensor {
  const shifts = keys.lengths.map((length, row) => length - queries.lengths[row]!);
  const shift = torch.tensor(shifts, [shifts.length, 1, 1, 1], "int64", device);
  const query = torch.view(torch.arange(queries.longest, { dtype: "int64", device }), [queries.longest, 1]);
  return torch.sub(torch.add(query, shift), torch.arange(keys.longest, { dtype: "int64", device }));
}

/** [R, H, Lq, Lk]: a group's part of the mask. */
function dropoutMask(
  like: torch.Tensor,
  { p, mask }: NonNullable<AttentionOptions["dropout"]>,
  groups: Groups,
  heads: number,
): torch.Tensor {
  const { queries, keys } = groups;
  const { rows } = queries;
  if (!(mask instanceof torch.Tensor)) {
    return usesKernel(like)
      ? torch.attentionMask(like, rows, queries.lengths, keys.lengths, heads, p, mask.seed, mask.stream)
      : torch.noGrad(() => maskByFormula(like, groups, heads, p, mask));
  }
  return upperLeft(torch.indexSelect(mask, 0, torch.tensor(rows, [rows.length], "int64", like.device)), groups);
}

/** The part of the last two dimensions for the queries and keys of a group. */
function upperLeft(x: torch.Tensor, { queries, keys }: Groups): torch.Tensor {
  return torch.narrow(torch.narrow(x, -2, 0, queries.longest), -1, 0, keys.longest);
}

/** The number of queries that share a counter, which yields a word for each. */
const WORDS = 4;

/** The counter (key, query / 4, row·H + head) serves one key and four queries. Padding also gets numbers, which are unused. */
function maskByFormula(
  { device, dtype }: torch.Tensor,
  { queries, keys }: Groups,
  heads: number,
  p: number,
  key: MaskKey,
) {
  const blocks = Math.ceil(queries.longest / WORDS);
  const shape = [queries.rows.length, heads, blocks, keys.longest];
  const counters = (values: torch.Tensor, along: number) => {
    const own = shape.map((_, dimension) => (dimension === along ? -1 : 1));
    return torch.contiguous(torch.expand(torch.reshape(values, own), shape));
  };
  const range = (count: number) => torch.arange(count, { dtype: "int64", device });
  const rows = torch.tensor(queries.rows, [queries.rows.length], "int64", device);
  const first = torch.mulScalar(torch.addScalar(rows, rowsBefore(key)), heads);
  const head = torch.add(counters(first, 0), counters(range(heads), 1));
  const words = philox(key, counters(range(keys.longest), 3), counters(range(blocks), 2), head);
  const [r, h, , k] = shape as [number, number, number, number];
  const all = torch.reshape(torch.stack(words, 3), [r, h, blocks * WORDS, k]);
  return maskOf(torch.narrow(all, 2, 0, queries.longest), p, dtype);
}
