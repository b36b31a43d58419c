import { type Architecture, architecture } from "./architecture.js";
import { DecoderModel } from "./decoder.js";
import type { DecoderConfig } from "./decoderConfig.js";
import { linearHead } from "./head.js";
import { languageHead } from "./languageHead.js";
import { scoreHead } from "./scoreHead.js";

type Own = Pick<Architecture<DecoderConfig>, "className" | "defaultTargetModules" | "parseConfig">;

/**
 * Llama and its kin: one backbone, and the heads that transformers has for it.
 * @param own.languageClassName transformers' class of a language model, where its name begins otherwise
 * @param own.classifiesTokens whether transformers has a class for that
 */
export function decoderArchitecture({
  languageClassName,
  classifiesTokens = true,
  ...own
}: Own & { readonly languageClassName?: string; readonly classifiesTokens?: boolean }): Architecture {
  const head = languageHead<DecoderConfig>(
    "model.embed_tokens.weight",
    (backbone) => (backbone as DecoderModel).embeddings,
  );
  return architecture<DecoderConfig>({
    ...own,
    prefix: "model",
    subLayerOutputs: { attention: ["self_attn.o_proj"], feedForward: ["mlp.down_proj"] },
    backbone: (config) => new DecoderModel(config),
    heads: {
      ForCausalLM: languageClassName === undefined ? head : { ...head, className: languageClassName },
      ForSequenceClassification: scoreHead,
      ForTokenClassification: classifiesTokens ? linearHead("score", (config) => config.classifierDropout) : null,
      ForQuestionAnswering: null,
    },
  });
}
