/** Llama-like decoders. Shapes: b rows, s new tokens, t all tokens, H hidden size, D head size. */

import type { DecoderConfig } from "../../../../models/index.js";
import { Norm, OffsetRmsNorm } from "../../../../models/nn/index.js";
import * as torch from "../../../../torch/index.js";
import { type Projected, project, splitHeads } from "../attention.js";
import { attendCached, type CausalTokens, causalBias, causalGraph } from "../causal.js";
import type { GraphFamily } from "../encoder.js";
import type { Value } from "../graph/graph.js";
import type { ModelGraph } from "../graph/modelGraph.js";
import { type RotaryTables, ropeFrequencies, rotaryTables, rotate } from "../rotary.js";

type LayerType = DecoderConfig["layerTypes"][number];

/** What the layers of a type share. */
interface LayerValues {
  readonly tables: RotaryTables;
  /** R, how many dimensions of a head are rotated. */
  readonly rotated: number;
  /** Of attention scores. */
  readonly bias: Value;
}

/** What all layers share. */
interface DecoderValues {
  readonly config: DecoderConfig;
  readonly tokens: CausalTokens;
  readonly of: ReadonlyMap<LayerType, LayerValues>;
}

/** [b, s, H], after the final norm. @param positions int64 [b, s] */
function hiddenStates(g: ModelGraph, config: DecoderConfig, tokens: CausalTokens, positions: Value): Value {
  const types = [...new Set(config.layerTypes)];
  const of = new Map(types.map((type) => [type, valuesOf(g, config, type, tokens, positions)]));
  const values = { config, tokens, of };
  let x = embed(g, config, tokens.ids);
  for (let layer = 0; layer < config.layers; layer++) x = decoderLayer(g, x, layer, values);
  return rmsNorm(g, "model.norm", x);
}

function valuesOf(
  g: ModelGraph,
  config: DecoderConfig,
  type: LayerType,
  tokens: CausalTokens,
  positions: Value,
): LayerValues {
  const { heads, kvHeads, slidingWindow, maxTokens } = config;
  const rope = config.ropes[type];
  const window = type === "sliding_attention" ? slidingWindow : undefined;
  return {
    tables: rotaryTables(g, positions, ropeFrequencies(g, rope, tokens, maxTokens), rope.factor),
    rotated: 2 * rope.frequencies(1).length,
    bias: causalBias(g, tokens, heads / kvHeads, window),
  };
}

function embed(g: ModelGraph, { embeddingScale }: DecoderConfig, ids: Value): Value {
  const rows = g.lookup("model.embed_tokens", ids);
  return embeddingScale === undefined ? rows : g.mul(rows, embeddingScale);
}

/** x: [b, s, H] → the same */
function decoderLayer(g: ModelGraph, x: Value, layer: number, values: DecoderValues): Value {
  const path = `model.layers.${layer}`;
  const { normsOutputs } = values.config;
  const normed = (name: string, value: Value) => rmsNorm(g, `${path}.${name}`, value);
  const attended = attention(g, normed("input_layernorm", x), layer, values);
  const sum = g.add(x, normsOutputs ? normed("post_attention_layernorm", attended) : attended);
  const fed = mlp(
    g,
    normed(normsOutputs ? "pre_feedforward_layernorm" : "post_attention_layernorm", sum),
    path,
    values,
  );
  return g.add(sum, normsOutputs ? normed("post_feedforward_layernorm", fed) : fed);
}

function attention(g: ModelGraph, x: Value, layer: number, { config, tokens, of }: DecoderValues): Value {
  const { heads, kvHeads, headSize, normsHeads, attentionScale, layerTypes, rotatesIn } = config;
  const path = `model.layers.${layer}.self_attn`;
  const { tables, rotated, bias } = of.get(layerTypes[layer]!)!;
  const [q, k, v] = projections(g, x, path, config);
  const inHeads = (part: Value, count: number) => splitHeads(g, part, count, headSize);
  const turned = (part: Value, count: number, name: string) => {
    const own = inHeads(part, count);
    const normed = normsHeads ? rmsNorm(g, `${path}.${name}`, own) : own;
    return rotatesIn?.[layer] === false ? normed : turn(g, normed, tables, rotated, headSize);
  };
  const mixed = attendCached(g, tokens, config, {
    layer,
    q: turned(q, heads, "q_norm"),
    k: turned(k, kvHeads, "k_norm"),
    v: inHeads(v, kvHeads),
    scale: attentionScale ?? headSize ** -0.5,
    bias,
  });
  return g.linear(`${path}.o_proj`, mixed);
}

/** Queries, keys and values, each [b, s, heads·D]. */
function projections(g: ModelGraph, x: Value, path: string, config: DecoderConfig): Projected {
  const { heads, kvHeads, headSize, fusesProjections } = config;
  if (!fusesProjections) return project(g, x, path, ["q_proj", "k_proj", "v_proj"]);
  const [queries, keys] = [heads * headSize, kvHeads * headSize];
  return g.split(g.linear(`${path}.qkv_proj`, x), -1, [queries, keys, keys]);
}

/** Rotates the first dimensions of each head. x: [b, heads, s, D] → the same */
function turn(g: ModelGraph, x: Value, tables: RotaryTables, rotated: number, headSize: number): Value {
  if (rotated === headSize) return rotate(g, x, tables, rotated);
  const [part, kept] = g.split(x, -1, [rotated, headSize - rotated]);
  return g.concat([rotate(g, part, tables, rotated), kept], -1);
}

function mlp(g: ModelGraph, x: Value, layerPath: string, { config }: DecoderValues): Value {
  const { activation, intermediateSize, fusesProjections } = config;
  const path = `${layerPath}.mlp`;
  const [gate, up] = fusesProjections
    ? g.split(g.linear(`${path}.gate_up_proj`, x), -1, [intermediateSize, intermediateSize])
    : [g.linear(`${path}.gate_proj`, x), g.linear(`${path}.up_proj`, x)];
  return g.linear(`${path}.down_proj`, g.mul(g.activate(activation, gate), up));
}

/** x / √(mean(x²) + ε) · weight, over the last dimension */
function rmsNorm(g: ModelGraph, path: string, x: Value): Value {
  const norm = g.module(path, Norm);
  const fromOne = norm instanceof OffsetRmsNorm;
  const weight = g.parameter(`${path}.weight`, undefined, (values) => (fromOne ? torch.addScalar(values, 1) : values));
  const mean = g.reduceMean(g.mul(x, x), [-1]);
  return g.mul(g.mul(x, g.reciprocal(g.sqrt(g.add(mean, norm.epsilon)))), weight);
}

/** The graph of a Llama-like decoder. @param takesPositions whether `position_ids` is an input */
const llamaLike = (takesPositions: boolean): GraphFamily =>
  causalGraph<DecoderConfig>({ takesPositions, cache: (config) => config, hidden: hiddenStates });

export const decoder = llamaLike(true);

/** Optimum gives it no `position_ids`. */
export const gemma3 = llamaLike(false);
