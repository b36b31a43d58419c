import type { EncoderConfig, ModelConfig } from "../../../../models/index.js";
import { project } from "../attention.js";
import { bertEmbeddings, paddingBias, selfAttention } from "../bertLayers.js";
import { encoderGraph } from "../encoder.js";

export const distilbert = encoderGraph<ModelConfig & EncoderConfig>({
  hidden(g, inputs, config) {
    const bias = [paddingBias(g, inputs.mask)];
    let hidden = bertEmbeddings(g, inputs);
    for (let i = 0; i < config.layers; i++) {
      const layer = `distilbert.transformer.layer.${i}`;
      const projected = project(g, hidden, `${layer}.attention`, ["q_lin", "k_lin", "v_lin"]);
      const mixed = g.linear(`${layer}.attention.out_lin`, selfAttention(g, projected, config, { bias }));
      const attended = g.norm(`${layer}.sa_layer_norm`, g.add(mixed, hidden));
      const inner = g.activate(config.activation, g.linear(`${layer}.ffn.lin1`, attended));
      hidden = g.norm(`${layer}.output_layer_norm`, g.add(g.linear(`${layer}.ffn.lin2`, inner), attended));
    }
    return hidden;
  },
  heads: {
    ForSequenceClassification: (g, x) => g.linear("classifier", g.relu(g.linear("pre_classifier", x))),
  },
});
