/** GPT-2. Shapes: b rows, s new tokens, H hidden size. */
import { attentionScale, type Gpt2Config } from "../../../../models/families/index.js";
import { splitHeads } from "../attention.js";
import { attendCached, type CausalTokens, causalBias, causalGraph } from "../causal.js";
import type { Value } from "../graph/graph.js";
import type { ModelGraph } from "../graph/modelGraph.js";

/** [b, s, H], after the final norm. @param positions int64 [b, s] */
function hiddenStates(g: ModelGraph, config: Gpt2Config, tokens: CausalTokens, positions: Value): Value {
  const values = { config, tokens, bias: causalBias(g, tokens, 1) };
  let x = g.add(g.lookup("transformer.wte", tokens.ids), g.lookup("transformer.wpe", positions));
  for (let layer = 0; layer < config.layers; layer++) x = block(g, x, layer, values);
  return g.norm("transformer.ln_f", x);
}

interface BlockValues {
  readonly config: Gpt2Config;
  readonly tokens: CausalTokens;
  readonly bias: Value;
}

/** x: [b, s, H] → the same */
function block(g: ModelGraph, x: Value, layer: number, values: BlockValues): Value {
  const path = `transformer.h.${layer}`;
  const sum = g.add(x, attention(g, g.norm(`${path}.ln_1`, x), layer, values));
  const inner = g.activate(values.config.activation, g.linear(`${path}.mlp.c_fc`, g.norm(`${path}.ln_2`, sum)));
  return g.add(sum, g.linear(`${path}.mlp.c_proj`, inner));
}

function attention(g: ModelGraph, x: Value, layer: number, { config, tokens, bias }: BlockValues): Value {
  const { heads, hiddenSize } = config;
  const path = `transformer.h.${layer}.attn`;
  const sizes = { heads, kvHeads: heads, headSize: hiddenSize / heads };
  const [q, k, v] = g.split(g.linear(`${path}.c_attn`, x), -1, [hiddenSize, hiddenSize, hiddenSize]);
  const inHeads = (part: Value) => splitHeads(g, part, heads, sizes.headSize);
  const scale = attentionScale(config, layer);
  const mixed = attendCached(g, tokens, sizes, { layer, q: inHeads(q), k: inHeads(k), v: inHeads(v), scale, bias });
  return g.linear(`${path}.c_proj`, mixed);
}

export const gpt2 = causalGraph<Gpt2Config>({
  takesPositions: true,
  cache: ({ layers, heads, hiddenSize }) => ({ layers, kvHeads: heads, headSize: hiddenSize / heads }),
  hidden: hiddenStates,
});
