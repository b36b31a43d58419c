// Gemma 3 (text models).

import { isJsonObject, type JsonObject, type JsonValue } from "../../base/records/index.js";
import { type ConfigReader, configError, LAYER_TYPES, layerTypes } from "../configReader.js";
import { decoderArchitecture } from "../decoder.js";
import { type OwnSettings, slidingWindowOf } from "../decoderConfig.js";
import { type Ropes, ropeOfLayers } from "../rope.js";

// Ropes: one for each layer type

/** Default bases. */
const THETAS = { full_attention: 1e6, sliding_attention: 1e4 } as const;

/** In older files, `rope_theta` and `rope_scaling` apply to full-attention layers. */
function ropes(json: JsonObject, sizes: { readonly headSize: number; readonly maxPositions: number }): Ropes {
  const given = objectAt(json, "rope_parameters");
  const unknown = Object.keys(given).find((key) => !LAYER_TYPES.some((type) => type === key));
  if (unknown !== undefined)
    throw configError(`rope_parameters has ${unknown}, but expected one object for each of ${LAYER_TYPES.join(", ")}.`);
  const scaling = objectAt(json, "rope_scaling");
  if (scaling.type !== undefined && scaling.rope_type === undefined)
    throw configError("rope_scaling has type, which transformers ignores for this model; call it rope_type.");
  const full = { ...objectAt(given, "full_attention"), ...scaling };
  const thetas = { full_attention: json.rope_theta, sliding_attention: json.rope_local_base_freq };
  const ofLayers = (type: (typeof LAYER_TYPES)[number], settings: JsonObject) =>
    ropeOfLayers({ rope_theta: thetas[type] ?? THETAS[type], ...settings }, `rope_parameters.${type}.`, sizes);
  return {
    full_attention: ofLayers("full_attention", full),
    sliding_attention: ofLayers("sliding_attention", objectAt(given, "sliding_attention")),
  };
}

function objectAt(json: JsonObject, key: string): JsonObject {
  const value: JsonValue = json[key] ?? {};
  if (isJsonObject(value)) return value;
  throw configError(`${key} must be an object, but is ${JSON.stringify(value)}.`);
}

// Config

const DEFAULTS = {
  vocabSize: 262208,
  hiddenSize: 2304,
  intermediateSize: 9216,
  layers: 26,
  heads: 8,
  kvHeads: 4,
  headSize: 256,
  maxPositions: 131072,
  activationKey: "hidden_activation",
  activation: "gelu_pytorch_tanh",
  tiesEmbeddings: true,
  padTokenId: 0,
  ropes,
};

/** Every n-th layer has full attention. */
function typesOf(read: ConfigReader, layers: number): OwnSettings["layerTypes"] {
  const pattern = read.count("sliding_window_pattern", 6);
  return layerTypes(read, layers, (layer) => ((layer + 1) % pattern === 0 ? "full_attention" : "sliding_attention"));
}

export const gemma3Text = decoderArchitecture({
  className: "Gemma3Text",
  languageClassName: "Gemma3ForCausalLM",
  classifiesTokens: false,
  defaults: DEFAULTS,
  settings(read, layers) {
    for (const key of ["attn_logit_softcapping", "final_logit_softcapping"]) read.absent(key);
    for (const key of ["use_bidirectional_attention", "mlp_bias"]) read.only(key, false);
    const bias = read.flag("attention_bias", false);
    return {
      queryBias: bias,
      outputBias: bias,
      normsHeads: true,
      normsOutputs: true,
      normsFromOne: true,
      attentionScale: read.positive("query_pre_attn_scalar", 256) ** -0.5,
      embeddingScale: read.count("hidden_size", DEFAULTS.hiddenSize) ** 0.5,
      layerTypes: typesOf(read, layers),
      slidingWindow: slidingWindowOf(read, 4096),
    };
  },
});
