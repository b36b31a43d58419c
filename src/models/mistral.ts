import type { JsonObject } from "../io/json.js";
import { ConfigReader } from "./configReader.js";
import { decoderArchitecture } from "./decoderArchitecture.js";
import { type DecoderConfig, layersOf, parseDecoderConfig } from "./decoderConfig.js";

function parseConfig(json: JsonObject): DecoderConfig {
  const defaults = { vocabSize: 32000, intermediateSize: 14336, maxPositions: 4096 * 32, kvHeads: 8 };
  const slidingWindow = slidingWindowOf(json);
  return parseDecoderConfig(json, defaults, (read, layers) => {
    read.absent("layer_types");
    return {
      queryBias: false,
      outputBias: false,
      mlpBias: false,
      normsHeads: false,
      layerTypes: layersOf(slidingWindow === undefined ? "full_attention" : "sliding_attention", layers),
      slidingWindow,
    };
  });
}

/** A key that says `null` means none; without the key it is 4096. */
function slidingWindowOf(json: JsonObject): number | undefined {
  if (json.sliding_window === null) return undefined;
  return new ConfigReader(json).count("sliding_window", 4096);
}

export const mistral = decoderArchitecture({
  className: "Mistral",
  defaultTargetModules: ["q_proj", "v_proj"],
  parseConfig,
});
