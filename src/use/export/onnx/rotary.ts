// Rotary position embedding (arXiv 2104.09864), pairing the halves of a head as in Llama, with transformers' kinds of scaling.
// Shapes: b rows, s tokens, A heads, D head size, of which the first R are rotated.
import type { Rope } from "../../../models/index.js";
import { type CausalTokens, cachedCount } from "./causal.js";
import type { GraphBuilder } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";
import type { ModelGraph } from "./graph/modelGraph.js";

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
  const [first, second] = g.split(x, -1, [rotated / 2, rotated / 2]);
  return g.add(g.mul(x, cos), g.mul(g.concat([g.neg(second), first], -1), sin));
}

/** [R / 2] for all rows, or by row [b, 1, 1, R / 2]. @param context the model's `max_position_embeddings` */
export function ropeFrequencies(g: ModelGraph, rope: Rope, tokens: CausalTokens, context: number): Value {
  if (rope.type === "dynamic") return dynamic(g, rope, tokens, context);
  if (rope.switchesAfter !== undefined) return switched(g, rope, rope.switchesAfter, tokens);
  return g.constant([...rope.frequencies(1)]);
}

/** NTK scaling: a larger base for each row that is longer than the context. */
function dynamic(g: ModelGraph, { theta, settings, frequencies }: Rope, tokens: CausalTokens, context: number): Value {
  const [size, factor] = [2 * frequencies(1).length, Number(settings.factor)];
  const length = g.max(g.cast(lengths(g, tokens.numbers), "float32"), context);
  const stretch = g.sub(g.div(g.mul(length, factor), context), factor - 1);
  const base = g.mul(g.pow(stretch, size / (size - 2)), theta);
  const exponents = Array.from({ length: size / 2 }, (_, i) => (2 * i) / size);
  return g.reciprocal(g.pow(base, g.constant(exponents)));
}

/** Other frequencies for each row that is longer than `at`. */
function switched(g: ModelGraph, rope: Rope, at: number, tokens: CausalTokens): Value {
  const [short, long] = [at, at + 1].map((length) => g.constant([...rope.frequencies(length)]));
  const isLong = g.not(g.lessOrEqual(lengths(g, tokens.numbers), g.constant(at, "int64")));
  return g.mul(g.where(isLong, long as Value, short as Value), oneUnlessCrossed(g, at, isLong, tokens));
}

/** The number of tokens of each row. numbers: [b, t] → int64 [b, 1, 1, 1] */
function lengths(g: ModelGraph, numbers: Value): Value {
  const last = g.slice(numbers, 1, -1, Number.MAX_SAFE_INTEGER);
  return g.unsqueeze(g.add(last, g.constant(1, "int64")), [2, 3]);
}

/**
 * 1 for each row. The cached keys of a row have the frequencies of its length when they were computed. Where it becomes longer than `at`,
 * they are wrong, and the graph fails, by an index that is out of bounds, in a node whose name says why.
 * @returns [b, 1, 1, 1]
 */
function oneUnlessCrossed(g: ModelGraph, at: number, isLong: Value, tokens: CausalTokens): Value {
  const { newNumbers, isToken, past } = tokens;
  if (!past) return g.constant([1]);
  const firstNew = g.unsqueeze(g.slice(newNumbers, 1, 0, 1), [2, 3]);
  const isOne = g.unsqueeze(g.cast(g.gather(isToken, cachedCount(g, past), 1), "int64"), [2, 3]);
  const cached = g.sub(g.add(firstNew, g.constant(1, "int64")), isOne);
  const isShort = g.lessOrEqual(cached, g.constant(at, "int64"));
  const isCrossed = g.and(g.and(isLong, isShort), g.not(g.equal(cached, g.constant(0, "int64"))));
  const failure = `a row of the cache has up to ${at} tokens but now more, which changes the RoPE frequencies: start with an empty cache`;
  return g.node("Gather", [g.constant([1]), g.cast(isCrossed, "int64")], {}, failure);
}
