// Attention over padded rows. Shapes: b rows, s tokens of the longest row, A heads, D head size, H = A·D.
import type { GraphBuilder, Operand } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";

/** The score of a key that a query must not see: finite, so that a row of padding alone gives numbers, which nobody reads. */
const UNSEEN = -3.4028234663852886e38;

/** 0 where a query sees a key, else the lowest number. seen: bool of any shape → float32 */
export const unseenBias = (g: GraphBuilder, seen: Value): Value => g.where(seen, 0, UNSEEN);

/** Whether each key is a token. mask: int64 [b, s] → bool [b, 1, 1, s] */
export const tokenKeys = (g: GraphBuilder, mask: Value): Value => g.unsqueeze(g.cast(mask, "bool"), [1, 2]);

/** x: [b, s, A·D] → [b, A, s, D] */
export function splitHeads(g: GraphBuilder, x: Value, heads: number, headSize: number): Value {
  return g.transpose(g.reshape(x, [0, 0, heads, headSize]), [0, 2, 1, 3]);
}

/** x: [b, A, s, D] → [b, s, A·D] */
export function joinHeads(g: GraphBuilder, x: Value, heads: number, headSize: number): Value {
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [0, 0, heads * headSize]);
}

/** What attention is computed from. */
export interface AttentionOperands {
  /** [b, A, s, D], without a scale */
  readonly q: Value;
  /** [b, A, keys, D] */
  readonly k: Value;
  /** [b, A, keys, D] */
  readonly v: Value;
  /** What products of queries and keys are multiplied by. */
  readonly scale: number;
  /** Added to the scores: broadcast to [b, A, s, keys] */
  readonly bias: readonly Operand[];
}

/** Softmax(q·kᵀ·scale + bias)·v. → [b, A, s, D] */
export function attend(g: GraphBuilder, { q, k, v, scale, bias }: AttentionOperands): Value {
  const products = g.matMul(g.mul(q, scale), g.transpose(k, [0, 1, 3, 2]));
  const scores = bias.reduce<Value>((sum, term) => g.add(sum, term), products);
  return g.matMul(g.softmax(scores), v);
}
