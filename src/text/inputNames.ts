import { BidoraError } from "../common/errors.js";
import type { TokenizerSettings } from "./tokenizerSettings.js";

export const TOKEN_TYPES = "token_type_ids";

/** Tokenizer classes and model types, without `Tokenizer` and signs, that have token types where the folder doesn't say. */
const TYPED = new Set(["bert", "electra", "deberta", "debertav2"]);

/**
 * The inputs that a model takes: those listed in tokenizer_config.json, else those of the tokenizer's class in transformers,
 * where the general classes have no token types.
 * @throws BidoraError `TOKENIZER` for a list of another form
 */
export function modelInputNames({ config, kind, isGeneral }: TokenizerSettings, model: unknown): readonly string[] {
  const { model_input_names: listed } = config;
  if (listed !== undefined && listed !== null) return checked(listed);
  const named = kind ?? (model === "WordPiece" ? "bert" : "");
  const isTyped = !isGeneral && TYPED.has(named.replace(/Tokenizer$|[-_]/g, "").toLowerCase());
  return ["input_ids", ...(isTyped ? [TOKEN_TYPES] : []), "attention_mask"];
}

function checked(listed: unknown): readonly string[] {
  if (Array.isArray(listed) && listed.every((name) => typeof name === "string")) return listed;
  throw new BidoraError(
    "TOKENIZER",
    `tokenizer_config.json: model_input_names must be a list of names, but is ${JSON.stringify(listed)}.`,
  );
}
