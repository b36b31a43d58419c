// Attention over padded rows, which may have their padding on either side, and the positions of tokens in them.
// Shapes: b rows, s tokens of the longest row, A heads, D head size, H = A·D.
import type { GraphBuilder, Operand } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";
import type { ModelGraph } from "./graph/modelGraph.js";

/** The score of a key that a query must not see: finite, so that a row of padding alone gives numbers, which nobody reads. */
const UNSEEN = -3.4028234663852886e38;

/** 0 where a query sees a key, else the lowest number. seen: bool of any shape → float32 */
export const unseenBias = (g: GraphBuilder, seen: Value): Value => g.where(seen, 0, UNSEEN);

/** Whether each key is a token. mask: int64 [b, s] → bool [b, 1, 1, s] */
export const tokenKeys = (g: GraphBuilder, mask: Value): Value => g.unsqueeze(g.cast(mask, "bool"), [1, 2]);

/** Queries, keys and values, each [b, s, A·D]. */
export type Projected = readonly [q: Value, k: Value, v: Value];

/** @param names of the three projections in the module at `path`. x: [b, s, H] */
export function project(
  g: ModelGraph,
  x: Value,
  path: string,
  [q, k, v]: readonly [string, string, string],
): Projected {
  return [g.linear(`${path}.${q}`, x), g.linear(`${path}.${k}`, x), g.linear(`${path}.${v}`, x)];
}

/** x: [b, s, A·D] → [b, A, s, D] */
export function splitHeads(g: GraphBuilder, x: Value, heads: number, headSize: number): Value {
  return g.transpose(g.reshape(x, [0, 0, heads, headSize]), [0, 2, 1, 3]);
}

/** x: [b, A, s, D] → [b, s, A·D] */
export function joinHeads(g: GraphBuilder, x: Value, heads: number, headSize: number): Value {
  return g.reshape(g.transpose(x, [0, 2, 1, 3]), [0, 0, heads * headSize]);
}

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

/** The position of each token in its row, from 0, as if the row had no padding. mask: int64 [b, s] → int64 [b, s] */
export function positionsInRow(g: GraphBuilder, mask: Value): Value {
  const counted = g.sub(g.cumSum(mask, 1), g.constant(1, "int64"));
  return g.max(counted, g.constant(0, "int64"));
}

/**
 * RoBERTa's positions: they start at the padding token's id + 1, and a padding token in a text has that id and is not counted.
 * ids, mask: int64 [b, s] → int64 [b, s]
 */
export function positionsAfterPadding(g: GraphBuilder, ids: Value, mask: Value, padTokenId: number): Value {
  const padding = g.constant(padTokenId, "int64");
  const counted = g.mul(g.cast(g.not(g.equal(ids, padding)), "int64"), mask);
  return g.add(g.mul(g.cumSum(counted, 1), counted), padding);
}

/** For each query and key, how many tokens the key is before the query. ids: [b, s] → int64 [s, s] */
export function distances(g: GraphBuilder, ids: Value): Value {
  const tokens = g.range(g.size(ids, 1));
  return g.sub(g.unsqueeze(tokens, [1]), g.unsqueeze(tokens, [0]));
}

/**
 * A whole number for each query and key that depends on their distance alone.
 * @param limit `of` has the same value for all larger distances
 * @returns int64 [s, s]
 */
export function byDistance(g: GraphBuilder, ids: Value, limit: number, of: (distance: number) => number): Value {
  const table = Array.from({ length: 2 * limit + 1 }, (_, i) => of(i - limit));
  const far = g.constant(limit, "int64");
  const near = g.clip(distances(g, ids), g.constant(-limit, "int64"), far);
  return g.gather(g.constant(table, "int64"), g.add(near, far));
}
