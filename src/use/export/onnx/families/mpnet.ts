import { type BertConfig, MAX_DISTANCE, relativePositionBucket } from "../../../../models/families/index.js";
import { byDistance, positionsAfterPadding, project } from "../attention.js";
import { bertEmbeddings, classificationHead, feedForward, paddingBias, selfAttention } from "../bertLayers.js";
import { encoderGraph } from "../encoder.js";
import type { Value } from "../graph/graph.js";
import type { ModelGraph } from "../graph/modelGraph.js";

/** The biases of relative positions, which all layers share. → [A, s, s] */
function relativeBias(g: ModelGraph, ids: Value): Value {
  const buckets = byDistance(g, ids, MAX_DISTANCE, relativePositionBucket);
  const table = g.parameter("mpnet.encoder.relative_attention_bias.weight");
  return g.transpose(g.gather(table, buckets), [2, 0, 1]);
}

export const mpnet = encoderGraph<BertConfig>({
  hidden(g, inputs, config) {
    const { ids, mask } = inputs;
    const bias = [g.add(relativeBias(g, ids), paddingBias(g, mask))];
    let hidden = bertEmbeddings(g, inputs, positionsAfterPadding(g, ids, mask, config.padTokenId));
    for (let i = 0; i < config.layers; i++) {
      const layer = `mpnet.encoder.layer.${i}`;
      const projected = project(g, hidden, `${layer}.attention.attn`, ["q", "k", "v"]);
      const mixed = g.linear(`${layer}.attention.attn.o`, selfAttention(g, projected, config, { bias }));
      const attended = g.norm(`${layer}.attention.LayerNorm`, g.add(mixed, hidden));
      hidden = feedForward(g, layer, attended, config.activation);
    }
    return hidden;
  },
  heads: { ForSequenceClassification: classificationHead("tanh") },
});
