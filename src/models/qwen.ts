import type { JsonObject } from "../io/json.js";
import type { ConfigReader } from "./configReader.js";
import { decoderArchitecture } from "./decoderArchitecture.js";
import { type DecoderConfig, layerTypes, parseDecoderConfig } from "./decoderConfig.js";

const DEFAULTS = { vocabSize: 151936, intermediateSize: 22016, maxPositions: 32768, kvHeads: 32 };

/** The first `max_window_layers` layers see everything, those after them a window, if windows are on. */
function windows(read: ConfigReader, layers: number): Pick<DecoderConfig, "layerTypes" | "slidingWindow"> {
  const isOn = read.flag("use_sliding_window", false);
  const from = isOn ? read.wholeNumber("max_window_layers", 28) : layers;
  const types = layerTypes(read, layers, (layer) => (layer >= from ? "sliding_attention" : "full_attention"));
  return { layerTypes: types, slidingWindow: isOn ? read.count("sliding_window", 4096) : undefined };
}

function parseQwen2(json: JsonObject): DecoderConfig {
  return parseDecoderConfig(json, DEFAULTS, (read, layers) => ({
    queryBias: true,
    outputBias: false,
    mlpBias: false,
    normsHeads: false,
    ...windows(read, layers),
  }));
}

function parseQwen3(json: JsonObject): DecoderConfig {
  return parseDecoderConfig(json, { ...DEFAULTS, headSize: 128 }, (read, layers) => {
    const bias = read.flag("attention_bias", false);
    return { queryBias: bias, outputBias: bias, mlpBias: false, normsHeads: true, ...windows(read, layers) };
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
