// A WordPiece tokenizer in the metadata of a GGUF file.

import { isJsonObject, type JsonObject, type JsonValue } from "../../../base/records/index.js";
import { flag, type GgufPair, text } from "../metadata.js";
import { ggufError } from "../types.js";
import { idsByText, KINDS, type Token, type TokenizerParts, vocabulary, vocabularyTokens } from "./vocabulary.js";

/** Starts a token within a word, as WordPiece writes it. */
const WITHIN = "##";
/** Starts a token at a word's start, as llama.cpp writes it. */
const AT_START = "▁";

/** How a text becomes words: BERT's normalizer. */
interface WordSettings {
  readonly lowercases: boolean;
  readonly stripsAccents: boolean;
}

/**
 * The metadata of llama.cpp's tokenizer `bert`.
 * @throws BidoraError `GGUF` for a tokenizer that would give other tokens in llama.cpp
 */
export function wordPieceMetadata(parts: TokenizerParts, size: number): GgufPair[] {
  const { path, json } = parts;
  const model = json.model as JsonObject;
  const { lowercases, stripsAccents } = wordSettings(parts);
  refuseOtherPieces(parts, model);
  const tokens = vocabularyTokens(path, json, size, {
    model: idsByText(model),
    token: (token): Token => ({ text: inWords(token), kind: KINDS.normal }),
    added(token, { normalized }) {
      // llama.cpp finds added tokens in the text as it is given
      if (normalized === true && (lowercases || stripsAccents))
        throw ggufError(
          path,
          `token ${JSON.stringify(token)} is found in normalized text, which llama.cpp does not do.`,
        );
      return { text: token, kind: KINDS.userDefined };
    },
  });
  return [
    ["tokenizer.ggml.model", text("bert")],
    ["tokenizer.ggml.pre", text("default")],
    ...vocabulary(tokens),
    ["tokenizer.ggml.normalizer.lowercase", flag(lowercases)],
    ["tokenizer.ggml.normalizer.strip_accents", flag(stripsAccents)],
  ];
}

/** A token in llama.cpp's spelling, which marks the start of a word instead of its inside. */
const inWords = (token: string): string =>
  token.startsWith(WITHIN) ? token.slice(WITHIN.length) : `${AT_START}${token}`;

/** The inverse of `inWords`. */
export const plainPiece = (token: string): string =>
  token.startsWith(AT_START) ? token.slice(AT_START.length) : `${WITHIN}${token}`;

/** @throws BidoraError `GGUF` for another normalizer or pre-tokenizer than BERT's */
export function wordSettings({
  path,
  json,
  lowercases,
}: Pick<TokenizerParts, "path" | "json" | "lowercases">): WordSettings {
  const { normalizer, pre_tokenizer: preTokenizer } = json;
  if (typeOf(normalizer) !== "BertNormalizer" || typeOf(preTokenizer) !== "BertPreTokenizer")
    throw ggufError(
      path,
      `the tokenizer has the normalizer ${typeOf(normalizer)} and the pre-tokenizer ${typeOf(preTokenizer)}, but llama.cpp's WordPiece ` +
        "does what BertNormalizer and BertPreTokenizer do.",
    );
  const { lowercase = true, strip_accents: strips, ...settings } = normalizer as JsonObject;
  const off = ["clean_text", "handle_chinese_chars"].find((key) => settings[key] === false);
  if (off !== undefined)
    throw ggufError(path, `the tokenizer's ${off} is off, but llama.cpp's WordPiece always does it.`);
  return { lowercases: lowercases || lowercase !== false, stripsAccents: (strips ?? lowercase) !== false };
}

const typeOf = (step: JsonValue | undefined): string => (isJsonObject(step) ? String(step.type) : "none");

/** llama.cpp always puts a start token before a text and a separator after it. */
function refuseOtherPieces({ path, roles, addsBos, addsEos }: TokenizerParts, model: JsonObject): void {
  const { continuing_subword_prefix: prefix = WITHIN } = model;
  if (prefix !== WITHIN)
    throw ggufError(
      path,
      `the tokenizer starts tokens within words with ${JSON.stringify(prefix)}, and llama.cpp knows ## only.`,
    );
  if (!addsBos || !addsEos)
    throw ggufError(
      path,
      "the tokenizer does not put one token before a text and one after it, as llama.cpp's WordPiece always does.",
    );
  if (roles.unknown === undefined)
    throw ggufError(path, "the tokenizer has no unknown token, which llama.cpp's WordPiece needs.");
}
