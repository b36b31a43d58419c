/** Opens what proposes tokens to a language model. */
import { BidoraError, named as wrapped } from "../../base/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { modelFolder } from "../../formats/index.js";
import { type Draft, modelDraft, ngramDraft } from "../../models/generation/index.js";
import { namedTask } from "../../tasks/index.js";
import { loadTokenizer, TokenBytes, type Tokenizer } from "../../text/index.js";
import { type InferenceModel, open } from "./open.js";

/** A draft until it is disposed of. */
export interface OpenDraft extends Draft, Disposable {}

/** The draft that is no model. */
const NGRAM = "ngram";

/**
 * Opens a draft: the text so far, or a smaller model, in the dtype and on the device of the model that it proposes tokens to.
 * @param named `ngram`, or a folder, a GGUF file or a Hub repository
 * @throws BidoraError `DRAFT` for a model with other tokens; as `resolveModel` and `open`
 */
export async function openDraft(named: string, to: InferenceModel, context?: HubContext): Promise<OpenDraft> {
  if (named === NGRAM) return { ...ngramDraft(), [Symbol.dispose]: () => {} };
  const name = `--draft ${named}`;
  const nameIt = (error: unknown) =>
    wrapped(name, () => {
      throw error;
    });
  const folder = await modelFolder(named, context).catch(nameIt);
  refuseOtherTokens(name, await loadTokenizer(folder).catch(nameIt), to.tokenizer);
  const found = { folder, adapter: undefined, adapterFolder: undefined };
  const options = { dtype: to.dtype, device: to.model.device, task: namedTask("causal-lm"), packed: true };
  const { model } = await open(found, options).catch(nameIt);
  return { ...modelDraft(model, to.model.config.vocabSize), [Symbol.dispose]: () => model.dispose() };
}

/** The roles whose tokens must be the same: they begin and end texts. */
const ROLES = ["bos_token", "eos_token"] as const;

/** @throws BidoraError `DRAFT` for a tokenizer with another vocabulary, or other special tokens */
function refuseOtherTokens(name: string, draft: Tokenizer, own: Tokenizer): void {
  const refused = (what: string) =>
    new BidoraError(
      "DRAFT",
      `${name} has another tokenizer than the model, and a draft's tokens must be the model's: ${what}. Give a smaller model of the same family, or ngram.`,
    );
  if (draft.size !== own.size) throw refused(`its vocabulary has ${draft.size} tokens, the model's ${own.size}`);
  const [ofDraft, ofOwn] = [new TokenBytes(draft), new TokenBytes(own)];
  for (let id = 0; id < own.size; id++) {
    const [text, ownText] = [draft.tokenText(id), own.tokenText(id)];
    if (text !== ownText)
      throw refused(`token ${id} is ${JSON.stringify(text)}, the model's ${JSON.stringify(ownText)}`);
    if (ofDraft.isSpecial(id) !== ofOwn.isSpecial(id))
      throw refused(`token ${id}, ${JSON.stringify(text)}, is a special token of only one of them`);
  }
  for (const role of ROLES) {
    const [text, ownText] = [draft, own].map((tokenizer) => {
      const id = tokenizer.specialTokenId(role);
      return id === undefined ? undefined : tokenizer.tokenText(id);
    });
    if (text !== ownText)
      throw refused(
        `its ${role} is ${JSON.stringify(text) ?? "missing"}, the model's ${JSON.stringify(ownText) ?? "missing"}`,
      );
  }
}
