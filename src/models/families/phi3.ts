// Phi-3.

import { isJsonObject, type JsonObject } from "../../base/records/index.js";
import { decoderArchitecture } from "../decoder.js";
import { slidingWindowOf, uniformLayers } from "../decoderConfig.js";
import { type Ropes, ropeOf, sameRope } from "../rope.js";

/** Names of `longrope` in old checkpoints, as in transformers. */
const OLD_LONGROPES: readonly unknown[] = ["su", "yarn"];

/** Context length of pretraining, which `config.json` may omit. */
const ORIGINAL_POSITIONS = 4096;

function ropes(json: JsonObject, sizes: { readonly headSize: number; readonly maxPositions: number }): Ropes {
  const options = { isPartial: true, originalPositions: ORIGINAL_POSITIONS, types: ["default", "longrope"] } as const;
  return sameRope(ropeOf(withNewNames(json), { ...sizes, ...options }));
}

function withNewNames(json: JsonObject): JsonObject {
  const renamed = ["rope_scaling", "rope_parameters"].flatMap((key) => {
    const settings = json[key];
    if (!isJsonObject(settings)) return [];
    const isOld = OLD_LONGROPES.includes(settings.rope_type ?? settings.type);
    return isOld ? [[key, { ...settings, rope_type: "longrope" }] as const] : [];
  });
  return { ...json, ...Object.fromEntries(renamed) };
}

/** `embd_pdrop` is ignored, as in transformers' model. */
export const phi3 = decoderArchitecture({
  className: "Phi3",
  // PEFT has no default for it.
  defaultTargetModules: ["qkv_proj"],
  defaults: {
    vocabSize: 32064,
    hiddenSize: 3072,
    intermediateSize: 8192,
    maxPositions: 4096,
    normEpsilon: 1e-5,
    padTokenId: 32000,
    ropes,
  },
  settings(read, layers) {
    for (const key of ["attention_bias", "mlp_bias"]) read.only(key, false);
    read.absent("layer_types");
    const residualDropout = read.probability("resid_pdrop", 0);
    return { fusesProjections: true, residualDropout, ...uniformLayers(layers, slidingWindowOf(read)) };
  },
});
