// Llama.

import type { JsonObject } from "../../base/records/index.js";
import { decoderArchitecture } from "../decoder.js";
import { type DecoderConfig, parseDecoderConfig, uniformLayers } from "../decoderConfig.js";

function parseConfig(json: JsonObject): DecoderConfig {
  const defaults = { vocabSize: 32000, intermediateSize: 11008, maxPositions: 2048 };
  return parseDecoderConfig(json, defaults, (read, layers) => {
    const bias = read.flag("attention_bias", false);
    const mlpBias = read.flag("mlp_bias", false);
    return { queryBias: bias, outputBias: bias, mlpBias, ...uniformLayers(layers, undefined) };
  });
}

export const llama = decoderArchitecture({
  className: "Llama",
  defaultTargetModules: ["q_proj", "v_proj"],
  parseConfig,
});
