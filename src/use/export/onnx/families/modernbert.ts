import type { ModernBertConfig } from "../../../../models/families/index.js";
import type { LayerType, Rope } from "../../../../models/index.js";
import * as torch from "../../../../torch/index.js";
import { distances, positionsInRow, tokenKeys, unseenBias } from "../attention.js";
import { selfAttention } from "../bertLayers.js";
import { encoderGraph } from "../encoder.js";
import type { Value } from "../graph/graph.js";
import type { ModelGraph } from "../graph/modelGraph.js";
import { type RotaryTables, rotaryTables } from "../rotary.js";

/** What all layers of a type share about the batch. */
interface Rows {
  readonly bias: readonly Value[];
  readonly rotary: RotaryTables;
}

function rowsOf(g: ModelGraph, ids: Value, mask: Value, { ropes, reach }: ModernBertConfig): Record<LayerType, Rows> {
  const positions = positionsInRow(g, mask);
  const tokens = tokenKeys(g, mask);
  const near = g.and(tokens, g.lessOrEqual(g.abs(distances(g, ids)), g.constant(reach, "int64")));
  const of = (type: LayerType, seen: Value): Rows => ({
    bias: [unseenBias(g, seen)],
    rotary: rotaryTables(g, positions, frequencies(g, type, ropes[type]), ropes[type].factor),
  });
  return { full_attention: of("full_attention", tokens), sliding_attention: of("sliding_attention", near) };
}

function frequencies(g: ModelGraph, type: LayerType, rope: Rope): Value {
  const values = rope.frequencies(0);
  return g.initializer({
    ...{ name: `model.rotary_emb.${type}_inv_freq`, dtype: "float32", shape: [values.length] },
    tensor: () => torch.tensor(values),
  });
}

function attention(g: ModelGraph, layer: string, x: Value, rows: Rows, config: ModernBertConfig): Value {
  const { hiddenSize: size } = config;
  const projected = g.split(g.linear(`${layer}.attn.Wqkv`, x), -1, [size, size, size]);
  return g.linear(`${layer}.attn.Wo`, selfAttention(g, projected, config, rows));
}

/** Wo(activation(a)·b), where a and b are the halves of Wi(x). */
function gatedMlp(
  g: ModelGraph,
  layer: string,
  x: Value,
  { intermediateSize: size, activation }: ModernBertConfig,
): Value {
  const [a, b] = g.split(g.linear(`${layer}.mlp.Wi`, x), -1, [size, size]);
  return g.linear(`${layer}.mlp.Wo`, g.mul(g.activate(activation, a), b));
}

/** Dense layer, activation, norm, classifier. */
function head(g: ModelGraph, x: Value, { classifierActivation }: ModernBertConfig): Value {
  const dense = g.activate(classifierActivation, g.linear("head.dense", x));
  return g.linear("classifier", g.norm("head.norm", dense));
}

export const modernbert = encoderGraph<ModernBertConfig>({
  hidden(g, { ids, mask }, config) {
    const rows = rowsOf(g, ids, mask, config);
    let hidden = g.norm("model.embeddings.norm", g.lookup("model.embeddings.tok_embeddings", ids));
    for (const [i, type] of config.layerTypes.entries()) {
      const layer = `model.layers.${i}`;
      const normed = i === 0 ? hidden : g.norm(`${layer}.attn_norm`, hidden);
      const attended = g.add(attention(g, layer, normed, rows[type], config), hidden);
      hidden = g.add(gatedMlp(g, layer, g.norm(`${layer}.mlp_norm`, attended), config), attended);
    }
    return g.norm("model.final_norm", hidden);
  },
  heads: { ForSequenceClassification: head, ForTokenClassification: head, ForQuestionAnswering: head },
});
