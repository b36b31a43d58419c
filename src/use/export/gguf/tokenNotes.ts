/** Where llama.cpp gives other tokens, which no setting of a file changes. */

import { isJsonObject, type JsonObject } from "../../../base/records/index.js";
import { type TokenizerParts, wordSettings } from "../../../formats/gguf/index.js";

/** One note for each difference. */
export function tokenNotes(parts: TokenizerParts): string[] {
  const { model, normalizer, pre_tokenizer: preTokenizer } = parts.json;
  const kind = isJsonObject(model) ? model.type : undefined;
  if (kind === "WordPiece") return wordNotes(parts);
  if (kind === "BPE" && isJsonObject(preTokenizer) && preTokenizer.type === "Metaspace")
    return spaceNotes(preTokenizer);
  return isJsonObject(normalizer) && normalizer.type === "NFC" ? [COMPOSES] : [];
}

const COMPOSES =
  "llama.cpp does not compose characters (Unicode's NFC), as this tokenizer does: give it texts in that form.";

/** llama.cpp puts a space before a text and after each special token, whatever stands there. */
function spaceNotes({ prepend_scheme: scheme }: JsonObject): string[] {
  if (scheme === "never") return [];
  return [scheme === "first" ? SPACES_AT_START : SPACES];
}

const SPACES =
  "llama.cpp puts a space before a text that begins with one, too, which this tokenizer does not: such texts have other tokens there.";
const SPACES_AT_START =
  "llama.cpp puts a space after each special token, and before a text that begins with a space. This tokenizer does neither: chats have other " +
  "tokens in llama.cpp.";

function wordNotes(parts: TokenizerParts): string[] {
  const { lowercases, stripsAccents } = wordSettings(parts);
  const scripts = stripsAccents ? ", and in Korean and Indic scripts" : "";
  return [
    `llama.cpp's WordPiece gives other tokens than this tokenizer in words of more than 100 characters${scripts}.`,
    ...(lowercases && stripsAccents ? [] : [KEEPS_CASE]),
  ];
}

const KEEPS_CASE =
  "This tokenizer keeps case or accents. Versions of llama.cpp that don't read tokenizer.ggml.normalizer.lowercase and strip_accents, and " +
  "Ollama's own engine, lowercase every text, and give other embeddings without an error.";
