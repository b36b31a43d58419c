import type { BertConfig } from "../../../../models/families/index.js";
import { bertEmbeddings, bertLayers, classificationHead } from "../bertLayers.js";
import { encoderGraph } from "../encoder.js";

const PROJECTION = "electra.embeddings_project";

export const electra = encoderGraph<BertConfig>({
  takesTypes: () => true,
  hidden(g, inputs, config) {
    const embedded = bertEmbeddings(g, inputs);
    const projected = g.has(`${PROJECTION}.weight`) ? g.linear(PROJECTION, embedded) : embedded;
    return bertLayers(g, projected, inputs.mask, config);
  },
  heads: { ForSequenceClassification: classificationHead("gelu") },
});
