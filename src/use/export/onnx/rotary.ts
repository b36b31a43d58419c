// Rotary position embedding (arXiv 2104.09864), pairing the halves of a head as in Llama.
// Shapes: b rows, s tokens, A heads, D head size, of which the first R are rotated.
import type { GraphBuilder } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";

/** cos and sin of each token's angles, [b, 1, s, R]. */
export interface RotaryTables {
  readonly cos: Value;
  readonly sin: Value;
}

/**
 * The tables for positions, int64 [b, s].
 * @param frequencies float32 [R / 2]
 * @param factor multiplies both tables
 */
export function rotaryTables(g: GraphBuilder, positions: Value, frequencies: Value, factor = 1): RotaryTables {
  const column = g.unsqueeze(g.cast(positions, "float32"), [1, 3]); // b,1,s,1
  const angles = g.mul(column, frequencies);
  const both = g.concat([angles, angles], -1);
  const scaled = (table: Value) => (factor === 1 ? table : g.mul(table, factor));
  return { cos: scaled(g.cos(both)), sin: scaled(g.sin(both)) };
}

/** Rotates each head by its token's angles. x: [b, A, s, R] → the same */
export function rotate(g: GraphBuilder, x: Value, { cos, sin }: RotaryTables, rotated: number): Value {
  const [first, second] = g.split(x, -1, [rotated / 2, rotated / 2]) as [Value, Value];
  return g.add(g.mul(x, cos), g.mul(g.concat([g.neg(second), first], -1), sin));
}
