// The tokenizer of a reranker: `tokenizer.json` for the kinds that encoders have, with the tokens around a pair of texts.

import type { JsonObject } from "../../../base/records/index.js";
import { metaspace } from "../../../text/index.js";
import type { GgufMetadata } from "../metadata.js";
import { tokenId } from "../modelConfig.js";
import { ggufError } from "../types.js";
import { scoresOf, tokenizerOf, type Vocabulary, vocabularyOf } from "./tokenizer.js";
import { KINDS } from "./vocabulary.js";
import { plainPiece } from "./wordPiece.js";

/**
 * The `tokenizer.json` of a file's tokenizer of pairs.
 * @throws BidoraError `GGUF` for a tokenizer model or a pre-tokenizer that is not supported
 */
export function pairTokenizerOf(metadata: GgufMetadata): JsonObject {
  const kind = metadata.required("tokenizer.ggml.model", metadata.text("tokenizer.ggml.model"));
  const vocabulary = vocabularyOf(metadata);
  const post_processor = pairTemplate(metadata, vocabulary);
  if (kind === "gpt2") return { ...tokenizerOf(metadata), post_processor };
  const common = { version: "1.0", added_tokens: vocabulary.added, post_processor };
  if (kind === "bert") return { ...common, ...wordPiece(metadata, vocabulary) };
  if (kind === "t5") return { ...common, ...unigram(metadata, vocabulary) };
  throw ggufError(
    metadata.path,
    `tokenizer.ggml.model ${JSON.stringify(kind)} is not supported for rerankers; supported are bert, gpt2 and t5.`,
  );
}

/**
 * The tokens around texts, as llama.cpp's server puts them: start, query, end, perhaps a separator, document, end; all of the
 * first type. Files of older converters don't say whether there is a separator: RoBERTa's have one, BERT's none.
 */
function pairTemplate(metadata: GgufMetadata, { tokens, roles }: Vocabulary): JsonObject {
  const named = (role: string): string | undefined => tokens[tokenId(metadata, role, tokens.length) ?? -1];
  const adds = (role: string, usual: boolean) => metadata.flag(`tokenizer.ggml.add_${role}_token`) ?? usual;
  const separator = named("seperator");
  const start = adds("bos", true) ? roles.bos : undefined;
  const end = adds("eos", true) ? (roles.eos ?? separator) : undefined;
  const between = adds("sep", metadata.text("tokenizer.ggml.model") !== "bert") ? separator : undefined;
  const token = (id: string | undefined) => (id === undefined ? [] : [{ SpecialToken: { id, type_id: 0 } }]);
  const text = (id: "A" | "B") => ({ Sequence: { id, type_id: 0 } });
  const single = [...token(start), text("A"), ...token(end)];
  const used = [...new Set([start, end, between].filter((one) => one !== undefined))];
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, ...token(between), text("B"), ...token(end)],
    special_tokens: Object.fromEntries(used.map((id) => [id, { id, ids: [tokens.indexOf(id)], tokens: [id] }])),
  };
}

/** The kinds of a file's tokens, by id; all are normal where it has none. */
const kindsOf = (metadata: GgufMetadata): readonly number[] => metadata.numbers("tokenizer.ggml.token_type") ?? [];

/** BERT's WordPiece. */
function wordPiece(metadata: GgufMetadata, { tokens, roles }: Vocabulary): JsonObject {
  const kinds = kindsOf(metadata);
  const lowercase = metadata.flag("tokenizer.ggml.normalizer.lowercase") ?? true;
  const strip_accents = metadata.flag("tokenizer.ggml.normalizer.strip_accents") ?? lowercase;
  const entries = tokens.flatMap((token, id) => {
    if (kinds[id] === KINDS.unused) return [];
    return [[(kinds[id] ?? KINDS.normal) === KINDS.normal ? plainPiece(token) : token, id]] as const;
  });
  return {
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents, lowercase },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: metadata.required("tokenizer.ggml.unknown_token_id", roles.unknown),
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(entries),
    },
  };
}

/**
 * SentencePiece's Unigram as XLM-RoBERTa has it, whatever the file says of spaces, which llama.cpp's converter takes from another setting.
 * The score of an unknown character follows from the lowest one, so that unused ids have none below it.
 */
function unigram(metadata: GgufMetadata, vocabulary: Vocabulary): JsonObject {
  const { tokens } = vocabulary;
  const [kinds, scores] = [kindsOf(metadata), scoresOf(metadata, vocabulary)];
  const isUsed = (id: number) => kinds[id] !== KINDS.unused;
  const lowest = scores.reduce((least, score, id) => (isUsed(id) ? Math.min(least, score) : least), 0);
  const count = tokens.findLastIndex((_, id) => isUsed(id)) + 1;
  const charsmap = metadata.numbers("tokenizer.ggml.precompiled_charsmap");
  const unk_id = tokenId(metadata, "unknown", tokens.length);
  const pieces = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
  return {
    normalizer: charsmap
      ? { type: "Precompiled", precompiled_charsmap: Buffer.from(charsmap).toString("base64") }
      : null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, pieces] },
    decoder: metaspace("always"),
    model: {
      type: "Unigram",
      unk_id: metadata.required("tokenizer.ggml.unknown_token_id", unk_id),
      vocab: tokens.slice(0, count).map((token, id) => [token, isUsed(id) ? scores[id]! : lowest]),
      byte_fallback: false,
    },
  };
}
