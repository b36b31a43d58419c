import { type Architecture, architecture } from "./architecture.js";
import { DecoderModel } from "./decoder.js";
import type { DecoderConfig } from "./decoderConfig.js";
import { linearHead } from "./head.js";
import { languageHead } from "./languageHead.js";
import { scoreHead } from "./scoreHead.js";

/** Llama and its kin: one backbone, and the heads that transformers has for it. */
export function decoderArchitecture(
  own: Pick<Architecture<DecoderConfig>, "className" | "defaultTargetModules" | "parseConfig">,
): Architecture {
  return architecture<DecoderConfig>({
    ...own,
    prefix: "model",
    backbone: (config) => new DecoderModel(config),
    heads: {
      ForCausalLM: languageHead((backbone) => (backbone as DecoderModel).embeddings),
      ForSequenceClassification: scoreHead,
      ForTokenClassification: linearHead("score", (config) => config.classifierDropout),
      ForQuestionAnswering: null,
    },
  });
}
