// Qwen 2 and Qwen 3.

import { type ConfigReader, layerTypes } from "../configReader.js";
import { decoderArchitecture } from "../decoder.js";
import { type OwnSettings, slidingWindowOf } from "../decoderConfig.js";

const DEFAULTS = { vocabSize: 151936, intermediateSize: 22016, maxPositions: 32768, kvHeads: 32 };

/** If sliding windows are on, they apply to layers after the first `max_window_layers`. */
function windows(read: ConfigReader, layers: number): OwnSettings {
  const slidingWindow = read.flag("use_sliding_window", false) ? slidingWindowOf(read, 4096) : undefined;
  const from = slidingWindow === undefined ? layers : read.wholeNumber("max_window_layers", 28);
  const types = layerTypes(read, layers, (layer) => (layer >= from ? "sliding_attention" : "full_attention"));
  return { layerTypes: types, slidingWindow };
}

export const qwen2 = decoderArchitecture({
  className: "Qwen2",
  defaults: DEFAULTS,
  settings(read, layers) {
    read.only("attention_bias", true);
    read.only("mlp_bias", false);
    return { queryBias: true, ...windows(read, layers) };
  },
});

export const qwen3 = decoderArchitecture({
  className: "Qwen3",
  defaults: { ...DEFAULTS, headSize: 128 },
  settings(read, layers) {
    const bias = read.flag("attention_bias", false);
    read.only("mlp_bias", false);
    return { queryBias: bias, outputBias: bias, normsHeads: true, ...windows(read, layers) };
  },
});
