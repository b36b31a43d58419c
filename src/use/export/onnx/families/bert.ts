import type { BertConfig } from "../../../../models/families/index.js";
import { bertEmbeddings, bertLayers } from "../bertLayers.js";
import { encoderGraph } from "../encoder.js";

export const bert = encoderGraph<BertConfig>({
  takesTypes: () => true,
  hidden: (g, inputs, config) => bertLayers(g, bertEmbeddings(g, inputs), inputs.mask, config),
  heads: {
    ForSequenceClassification: (g, x) => g.linear("classifier", g.tanh(g.linear("bert.pooler.dense", x))),
  },
});
