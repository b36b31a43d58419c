// Shapes: N tokens, B rows, L longest row, H heads, D size of a head.
import * as torch from "../torch/index.js";
import type { ForwardContext } from "./context.js";
import type { Dropout } from "./dropout.js";
import { type RowLayout, toFlat, toRows } from "./rows.js";

export interface AttendOptions {
  readonly heads: number;
  readonly layout: RowLayout;
  readonly dropout: Dropout;
  readonly context: ForwardContext;
}

/**
 * Bidirectional self-attention over flat tokens: rows are restored here and nowhere else.
 * @param q [N, H·D]; k and v likewise
 * @returns [N, H·D]
 */
export function attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttendOptions): torch.Tensor {
  const { layout, heads } = options;
  const split = (x: torch.Tensor) => toHeads(toRows(x, layout), heads);
  const mixed = attendRows(split(q), split(k), split(v), options); // B,H,L,D
  const [rows, , length, size] = mixed.shape as [number, number, number, number];
  const merged = torch.reshape(torch.transpose(mixed, 1, 2), [rows, length, heads * size]);
  return toFlat(merged, layout);
}

function attendRows(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttendOptions): torch.Tensor {
  const { context, dropout } = options;
  if (context.differentiateTwice || dropout.isActive(context)) return attendPlainly(q, k, v, options);
  return torch.scaledDotProductAttention(q, k, v, keyMask(options.layout, q.dtype));
}

/** The formula itself: every operator in it has a second derivative. */
function attendPlainly(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, options: AttendOptions): torch.Tensor {
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const products = torch.mulScalar(torch.matmul(q, torch.transpose(k, 2, 3)), scale); // B,H,L,L
  const mask = keyMask(options.layout, q.dtype);
  const scores = mask ? torch.add(products, mask) : products;
  const weights = options.dropout.forward(torch.softmax(scores, -1), options.context);
  return torch.matmul(weights, v);
}

/** [B, L, H·D] → [B, H, L, D] */
function toHeads(x: torch.Tensor, heads: number): torch.Tensor {
  const [rows, length, width] = x.shape as [number, number, number];
  return torch.transpose(torch.view(x, [rows, length, heads, width / heads]), 1, 2);
}

/** [B, 1, 1, L]: 0 at real keys, the dtype's lowest number at padding; undefined when there is no padding. */
function keyMask(layout: RowLayout, dtype: torch.DType): torch.Tensor | undefined {
  if (!layout.present) return undefined;
  const [rows, length] = layout.present.shape as [number, number];
  const mask = torch.zeros([rows, 1, 1, length], { dtype });
  return torch.maskedFill_(mask, torch.view(torch.logicalNot(layout.present), [rows, 1, 1, length]), -3e38);
}
