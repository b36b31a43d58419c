/** ESM-1b and ESM-2. */
import { type EsmConfig, UNMASKED } from "../../../../models/families/index.js";
import { positionsAfterPadding, positionsInRow } from "../attention.js";
import { bertProjections, classificationHead, paddingBias, selfAttention } from "../bertLayers.js";
import type { EncoderInputs } from "../encoder.js";
import { encoderGraph } from "../encoder.js";
import type { Value } from "../graph/graph.js";
import type { ModelGraph } from "../graph/modelGraph.js";
import { type RotaryTables, rotaryTables } from "../rotary.js";

/** → [b, s, H] */
function embed(g: ModelGraph, { ids, mask }: EncoderInputs, config: EsmConfig): Value {
  const path = "esm.embeddings";
  const words = g.lookup(`${path}.word_embeddings`, ids);
  const { maskTokenId, padTokenId = 0 } = config;
  const scaled = maskTokenId === undefined ? words : scaleUnmasked(g, words, { ids, mask }, maskTokenId);
  const positions = () => positionsAfterPadding(g, ids, mask, padTokenId);
  const placed =
    config.positions === undefined ? scaled : g.add(scaled, g.lookup(`${path}.position_embeddings`, positions()));
  return config.normsEmbeddings ? g.norm(`${path}.layer_norm`, placed) : placed;
}

/** Token dropout: mask tokens become zero, and other tokens are scaled to the share of masks in pretraining. [b, s, H] → the same */
function scaleUnmasked(
  g: ModelGraph,
  words: Value,
  { ids, mask }: Pick<EncoderInputs, "ids" | "mask">,
  maskTokenId: number,
): Value {
  const isToken = g.cast(mask, "bool");
  const isMasked = g.and(g.equal(ids, g.constant(maskTokenId, "int64")), isToken);
  const count = (of: Value) => g.reduceSum(g.cast(of, "float32"), [1]); // b,1
  const factors = g.div(UNMASKED, g.sub(1, g.div(count(isMasked), count(isToken))));
  const isKept = g.and(isToken, g.not(isMasked));
  return g.mul(words, g.unsqueeze(g.where(isKept, factors, 0), [2]));
}

function tablesOf(g: ModelGraph, mask: Value, { frequencies }: EsmConfig): RotaryTables | undefined {
  if (!frequencies) return undefined;
  return rotaryTables(g, positionsInRow(g, mask), g.parameter("esm.rotary_embeddings.inv_freq"));
}

export const esm = encoderGraph<EsmConfig>({
  hidden(g, inputs, config) {
    const [bias, rotary] = [[paddingBias(g, inputs.mask)], tablesOf(g, inputs.mask, config)];
    let hidden = embed(g, inputs, config);
    for (let i = 0; i < config.layers; i++) {
      const layer = `esm.encoder.layer.${i}`;
      const normed = g.norm(`${layer}.attention.LayerNorm`, hidden);
      const mixed = selfAttention(g, bertProjections(g, layer, normed), config, { bias, rotary });
      const attended = g.add(g.linear(`${layer}.attention.output.dense`, mixed), hidden);
      const inner = g.linear(`${layer}.intermediate.dense`, g.norm(`${layer}.LayerNorm`, attended));
      hidden = g.add(g.linear(`${layer}.output.dense`, g.activate("gelu", inner)), attended);
    }
    return g.norm("esm.encoder.emb_layer_norm_after", hidden);
  },
  heads: { ForSequenceClassification: classificationHead("tanh") },
});
