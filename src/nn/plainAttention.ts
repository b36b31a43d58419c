// Attention as its formula says: every operator in it has a second derivative.
// Shapes: H heads, G heads of keys, D size of a head; in a padded group R rows, Lq and Lk its most queries and keys.
import * as torch from "../torch/index.js";
import type { AttendOptions, Limits } from "./attention.js";
import type { Drawn } from "./dropout.js";
import { groupRows, padRows, type RowGroup, type RowLayout, toFlat, toRows } from "./rows.js";

/** What `attend` was asked for, with its defaults. */
export interface PlainOptions extends AttendOptions {
  readonly keyLayout: RowLayout;
  readonly kvHeads: number;
  readonly limits: Limits;
  readonly scale: number;
}

/** Queries and keys of the same rows. */
interface Groups {
  readonly queries: RowGroup;
  readonly keys: RowGroup;
}

/** In groups of rows of like length. q: [N, H·D], k and v: [M, G·D] → [N, H·D] */
export function attendPlainly(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  options: PlainOptions,
  drawn: Drawn,
): torch.Tensor {
  const { layout, keyLayout, heads, kvHeads } = options;
  const rows = groupRows(keyLayout.lengths);
  const queries = padRows(layout, rows);
  const keys = keyLayout === layout ? queries : padRows(keyLayout, rows);
  const mixed = queries.groups.map((group, i) => {
    const groups = { queries: group, keys: keys.groups[i] as RowGroup };
    const spread = (x: torch.Tensor) => shareHeads(toHeads(toRows(x, groups.keys), kvHeads), heads / kvHeads);
    const split = [toHeads(toRows(q, group), heads), spread(k), spread(v)] as const;
    return fromHeads(attendGroup(...split, groups, options, drawn));
  });
  return toFlat(mixed, queries);
}

/** q: R,H,Lq,D; k, v: R,H,Lk,D → R,H,Lq,D */
function attendGroup(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  groups: Groups,
  { scale, scores, limits, heads, dropout }: PlainOptions,
  drawn: Drawn,
): torch.Tensor {
  const products = torch.mulScalar(torch.matmul(q, torch.transpose(k, 2, 3)), scale); // R,H,Lq,Lk
  const all = scores ? torch.add(products, scores(q, k)) : products;
  const hidden = hiddenKeys(groups, limits);
  const weights = torch.softmax(hidden ? torch.maskedFill(all, hidden, LOWEST) : all, -1);
  const mask = dropMask(q, drawn, groups, heads, dropout.p);
  return torch.matmul(mask ? torch.mul(weights, mask) : weights, v);
}

/** Not −∞: a padded query that sees nothing has a value, though nobody reads it. */
const LOWEST = -3e38;

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

/** True for padding and for keys beyond the limits: [R, 1, Lq or 1, Lk]; undefined where every key is seen. */
function hiddenKeys(groups: Groups, { before, after }: Limits): torch.Tensor | undefined {
  const { present } = groups.keys;
  const distance = () => distances(groups);
  const hidden = [
    present && torch.logicalNot(torch.unsqueeze(torch.unsqueeze(present, 1), 1)),
    before === null ? undefined : torch.gtScalar(distance(), before),
    after === null ? undefined : torch.ltScalar(distance(), -after),
  ].filter((mask) => mask !== undefined);
  return hidden.length > 0 ? hidden.reduce((a, b) => torch.logicalOr(a, b)) : undefined;
}

/** How far each key lies before each query, where the last query of a row stands at its last key: [R, 1, Lq, Lk] int64. */
function distances({ queries, keys }: Groups): torch.Tensor {
  const shifts = keys.lengths.map((length, row) => length - (queries.lengths[row] as number));
  const shift = torch.tensor(shifts, [shifts.length, 1, 1, 1], "int64");
  const query = torch.view(torch.arange(queries.longest, { dtype: "int64" }), [queries.longest, 1]);
  return torch.sub(torch.add(query, shift), torch.arange(keys.longest, { dtype: "int64" }));
}

/** [R, H, Lq, Lk]: a group's part of the mask; undefined when nothing is dropped. */
function dropMask(
  like: torch.Tensor,
  drawn: Drawn,
  { queries, keys }: Groups,
  heads: number,
  p: number,
): torch.Tensor | undefined {
  if (!drawn) return undefined;
  const { rows } = queries;
  if (!(drawn instanceof torch.Tensor))
    return torch.attentionMask(like, rows, queries.lengths, keys.lengths, heads, p, drawn.seed, drawn.stream);
  const picked = torch.indexSelect(drawn, 0, torch.tensor(rows, [rows.length], "int64"));
  return torch.narrow(torch.narrow(picked, 2, 0, queries.longest), 3, 0, keys.longest);
}
