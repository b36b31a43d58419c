// Qwen 2 and Qwen 3.

import type { JsonObject } from "../../base/records/index.js";
import { type ConfigReader, layerTypes } from "../configReader.js";
import { decoderArchitecture } from "../decoder.js";
import { type DecoderConfig, parseDecoderConfig, slidingWindowOf } from "../decoderConfig.js";

const DEFAULTS = { vocabSize: 151936, intermediateSize: 22016, maxPositions: 32768, kvHeads: 32 };

/** If sliding windows are on, they apply to layers after the first `max_window_layers`. */
function windows(
  json: JsonObject,
  read: ConfigReader,
  layers: number,
): Pick<DecoderConfig, "layerTypes" | "slidingWindow"> {
  const slidingWindow = read.flag("use_sliding_window", false) ? slidingWindowOf(json, 4096) : undefined;
  const from = slidingWindow === undefined ? layers : read.wholeNumber("max_window_layers", 28);
  const types = layerTypes(read, layers, (layer) => (layer >= from ? "sliding_attention" : "full_attention"));
  return { layerTypes: types, slidingWindow };
}

function parseQwen2(json: JsonObject): DecoderConfig {
  return parseDecoderConfig(json, DEFAULTS, (read, layers) => {
    read.only("attention_bias", true);
    read.only("mlp_bias", false);
    return { queryBias: true, ...windows(json, read, layers) };
  });
}

function parseQwen3(json: JsonObject): DecoderConfig {
  return parseDecoderConfig(json, { ...DEFAULTS, headSize: 128 }, (read, layers) => {
    const bias = read.flag("attention_bias", false);
    read.only("mlp_bias", false);
    return { queryBias: bias, outputBias: bias, normsHeads: true, ...windows(json, read, layers) };
  });
}

export const qwen2 = decoderArchitecture({
  className: "Qwen2",
  defaultTargetModules: ["q_proj", "v_proj"],
  parseConfig: parseQwen2,
});

export const qwen3 = decoderArchitecture({
  className: "Qwen3",
  defaultTargetModules: ["q_proj", "v_proj"],
  parseConfig: parseQwen3,
});
