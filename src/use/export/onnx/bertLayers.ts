// The parts of BERT-like encoders. Shapes: b rows, s tokens of the longest row, H hidden size.
import type { EncoderConfig } from "../../../models/index.js";
import { Embedding } from "../../../models/nn/index.js";
import { narrow } from "../../../torch/index.js";
import {
  attend,
  joinHeads,
  type Projected,
  positionsInRow,
  project,
  splitHeads,
  tokenKeys,
  unseenBias,
} from "./attention.js";
import type { EncoderInputs } from "./encoder.js";
import type { Operand } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";
import type { ModelGraph } from "./graph/modelGraph.js";
import { type RotaryTables, rotate } from "./rotary.js";

/**
 * The normalized sum of word, token type and position embeddings.
 * @param positions int64 [b, s]; by default those in the row
 * @returns [b, s, H]
 */
export function bertEmbeddings(g: ModelGraph, { ids, mask, types }: EncoderInputs, positions?: Value): Value {
  const path = `${g.prefix}.embeddings`;
  const words = withTypes(g, g.lookup(`${path}.word_embeddings`, ids), types);
  const placed = g.add(words, g.lookup(`${path}.position_embeddings`, positions ?? positionsInRow(g, mask)));
  return g.norm(`${path}.LayerNorm`, placed);
}

/** Adds token type embeddings: those of the input, else, and in a model with a single type, of type 0. */
export function withTypes(g: ModelGraph, words: Value, types: Value | undefined): Value {
  const path = `${g.prefix}.embeddings.token_type_embeddings`;
  if (!g.has(`${path}.weight`)) return words;
  const { count, dim } = g.module(path, Embedding);
  if (types && count > 1) return g.add(words, g.lookup(path, types));
  const first = g.parameter(`${path}.weight`, [1, dim], (table) => narrow(table, 0, 0, 1));
  return g.add(words, first);
}

/** The bias of attention that sees all tokens of a row. [b, 1, 1, s] */
export const paddingBias = (g: ModelGraph, mask: Value): Value => unseenBias(g, tokenKeys(g, mask));

/** What is added to the scores of attention, and how queries and keys are rotated. */
interface Scoring {
  readonly bias: readonly Operand[];
  readonly rotary?: RotaryTables | undefined;
}

/** Self-attention from queries, keys and values to before the output projection. q, k, v: [b, s, H] → the same */
export function selfAttention(
  g: ModelGraph,
  projected: Projected,
  { hiddenSize, heads }: Pick<EncoderConfig, "hiddenSize" | "heads">,
  { bias, rotary }: Scoring,
): Value {
  const headSize = hiddenSize / heads;
  const inHeads = (x: Value) => splitHeads(g, x, heads, headSize);
  const rotated = (x: Value) => (rotary ? rotate(g, inHeads(x), rotary, headSize) : inHeads(x));
  const [q, k, v] = projected;
  const scale = 1 / Math.sqrt(headSize);
  return joinHeads(g, attend(g, { q: rotated(q), k: rotated(k), v: inHeads(v), scale, bias }), heads, headSize);
}

/** Queries, keys and values of a layer with BERT's names. x: [b, s, H] → the same */
export const bertProjections = (g: ModelGraph, layer: string, x: Value): Projected =>
  project(g, x, `${layer}.attention.self`, ["query", "key", "value"]);

/** LayerNorm(residual + dense(x)). */
export const residualOutput = (g: ModelGraph, path: string, x: Value, residual: Value): Value =>
  g.norm(`${path}.LayerNorm`, g.add(g.linear(`${path}.dense`, x), residual));

/** The second half of a post-norm layer. x: [b, s, H] → the same */
export function feedForward(g: ModelGraph, layer: string, x: Value, activation: string): Value {
  const inner = g.activate(activation, g.linear(`${layer}.intermediate.dense`, x));
  return residualOutput(g, `${layer}.output`, inner, x);
}

/** Post-norm layers `from` to before `to` with BERT's names around any attention. x: [b, s, H] → the same */
export function bertEncoder(
  g: ModelGraph,
  x: Value,
  { from, to, activation }: { readonly from: number; readonly to: number; readonly activation: string },
  attention: (layer: string, x: Value) => Value,
): Value {
  let hidden = x;
  for (let i = from; i < to; i++) {
    const layer = `${g.prefix}.encoder.layer.${i}`;
    const mixed = attention(layer, hidden);
    hidden = feedForward(g, layer, residualOutput(g, `${layer}.attention.output`, mixed, hidden), activation);
  }
  return hidden;
}

/** The layers of BERT. x: [b, s, H] → the same */
export function bertLayers(g: ModelGraph, x: Value, mask: Value, config: EncoderConfig): Value {
  const bias = [paddingBias(g, mask)];
  const range = { from: 0, to: config.layers, activation: config.activation };
  return bertEncoder(g, x, range, (layer, hidden) =>
    selfAttention(g, bertProjections(g, layer, hidden), config, { bias }),
  );
}

/** A head of two layers, `classifier.dense` and `classifier.out_proj`. x: [b, H] → [b, labels] */
export const classificationHead =
  (activation: string) =>
  (g: ModelGraph, x: Value): Value =>
    g.linear("classifier.out_proj", g.activate(activation, g.linear("classifier.dense", x)));
