// SmolLM3: some layers have no rotary positions.

import type { JsonObject } from "../../base/records/index.js";
import { type ConfigReader, layerTypes } from "../configReader.js";
import { decoderArchitecture } from "../decoder.js";
import { slidingWindowOf } from "../decoderConfig.js";
import { type Ropes, ropeOf, sameRope } from "../rope.js";

const THETA = 2e6;

function ropes(json: JsonObject, sizes: { readonly headSize: number; readonly maxPositions: number }): Ropes {
  return sameRope(ropeOf({ ...json, rope_theta: json.rope_theta ?? THETA }, sizes));
}

/** Despite its name, `no_rope_layers` has 1 for a layer with rotary positions. Without it, every n-th layer has none. */
function rotates(read: ConfigReader, layers: number): readonly boolean[] {
  const interval = read.count("no_rope_layer_interval", 4);
  if (read.has("no_rope_layers")) return read.bits("no_rope_layers", layers);
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
}

export const smollm3 = decoderArchitecture({
  className: "SmolLM3",
  answersQuestions: true,
  defaults: {
    vocabSize: 128256,
    hiddenSize: 2048,
    intermediateSize: 11008,
    layers: 36,
    heads: 16,
    kvHeads: 4,
    maxPositions: 32768,
    padTokenId: 128004,
    tiesEmbeddings: true,
    ropes,
  },
  settings(read, layers) {
    const bias = read.flag("attention_bias", false);
    const rotatesIn = rotates(read, layers);
    const slidingWindow = read.flag("use_sliding_window", false) ? slidingWindowOf(read) : undefined;
    const otherwise = (layer: number) =>
      slidingWindow !== undefined && !rotatesIn[layer] ? "sliding_attention" : "full_attention";
    return {
      queryBias: bias,
      outputBias: bias,
      mlpBias: read.flag("mlp_bias", false),
      rotatesIn,
      layerTypes: layerTypes(read, layers, otherwise),
      slidingWindow,
    };
  },
});
