// Shapes: K tokens read, H hidden size.
import { type Embedding, type ForwardContext, OutputLinear } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { Backbone, ModelConfig } from "./backbone.js";
import type { HeadDesign } from "./head.js";

/** A model whose embeddings may serve as its output matrix. */
export interface LanguageConfig extends ModelConfig {
  readonly tiesEmbeddings: boolean;
}

/**
 * The output matrix of a causal language model, under transformers' usual name. It comes with the checkpoint.
 * @param table the path of the embeddings' weight
 */
export function languageHead<Config extends LanguageConfig>(
  table: string,
  embeddingsOf: (backbone: Backbone) => Embedding,
): HeadDesign<Config> {
  return {
    reads: "every",
    output: "lm_head",
    isPretrained: true,
    tiedTo: table,
    build({ hiddenSize, vocabSize, tiesEmbeddings }, _outputs, backbone) {
      const layer = new OutputLinear(hiddenSize, vocabSize, tiesEmbeddings ? embeddingsOf(backbone) : undefined);
      return {
        modules: { lm_head: layer },
        forward: (hidden: torch.Tensor, context: ForwardContext) => layer.forward(hidden, context),
      };
    },
  };
}
