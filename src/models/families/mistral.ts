// Mistral.

import type { JsonObject } from "../../base/records/index.js";
import { decoderArchitecture } from "../decoder.js";
import { type DecoderConfig, parseDecoderConfig, slidingWindowOf, uniformLayers } from "../decoderConfig.js";

function parseConfig(json: JsonObject): DecoderConfig {
  const defaults = { vocabSize: 32000, intermediateSize: 14336, maxPositions: 4096 * 32, kvHeads: 8 };
  return parseDecoderConfig(json, defaults, (read, layers) => {
    read.absent("layer_types");
    for (const key of ["attention_bias", "mlp_bias"]) read.only(key, false);
    return uniformLayers(layers, slidingWindowOf(json, 4096));
  });
}

export const mistral = decoderArchitecture({
  className: "Mistral",
  defaultTargetModules: ["q_proj", "v_proj"],
  parseConfig,
});
