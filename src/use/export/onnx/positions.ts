// Positions of tokens in padded rows, which may have their padding on either side. Shapes: b rows, s tokens of the longest row.
import type { GraphBuilder } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";

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
