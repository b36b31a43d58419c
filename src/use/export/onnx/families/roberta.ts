/** RoBERTa, XLM-RoBERTa and CamemBERT. */
import type { BertConfig } from "../../../../models/families/index.js";
import { positionsAfterPadding } from "../attention.js";
import { bertEmbeddings, bertLayers, classificationHead } from "../bertLayers.js";
import { encoderGraph } from "../encoder.js";

export const roberta = encoderGraph<BertConfig>({
  hidden(g, inputs, config) {
    const positions = positionsAfterPadding(g, inputs.ids, inputs.mask, config.padTokenId);
    return bertLayers(g, bertEmbeddings(g, inputs, positions), inputs.mask, config);
  },
  heads: { ForSequenceClassification: classificationHead("tanh") },
});
