// Mistral.

import { decoderArchitecture } from "../decoder.js";
import { slidingWindowOf, uniformLayers } from "../decoderConfig.js";

export const mistral = decoderArchitecture({
  className: "Mistral",
  defaults: { vocabSize: 32000, intermediateSize: 14336, maxPositions: 4096 * 32, kvHeads: 8 },
  settings(read, layers) {
    read.absent("layer_types");
    for (const key of ["attention_bias", "mlp_bias"]) read.only(key, false);
    return uniformLayers(layers, slidingWindowOf(read, 4096));
  },
});
