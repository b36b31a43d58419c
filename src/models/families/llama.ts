// Llama.

import { decoderArchitecture } from "../decoder.js";
import { uniformLayers } from "../decoderConfig.js";

export const llama = decoderArchitecture({
  className: "Llama",
  defaults: { vocabSize: 32000, intermediateSize: 11008, maxPositions: 2048 },
  settings(read, layers) {
    const bias = read.flag("attention_bias", false);
    const mlpBias = read.flag("mlp_bias", false);
    return { queryBias: bias, outputBias: bias, mlpBias, ...uniformLayers(layers) };
  },
});
