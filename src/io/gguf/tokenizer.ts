import { joinedPieces, metaspace } from "../../text/index.js";
import type { JsonObject } from "../json.js";
import { architectureOf } from "./architectures.js";
import { ggufError } from "./error.js";
import type { GgufMetadata } from "./metadata.js";
import { splittingOf } from "./preTokenizers.js";
import { mergesOf } from "./sentencePiece.js";
import { idsOf, ROLES, type Role, type Vocabulary, vocabularyOf } from "./vocabulary.js";

/**
 * The `tokenizer.json` of a file's tokenizer.
 * @throws BidoraError `GGUF` for a kind, or a way of splitting texts, that is not supported
 */
export function tokenizerOf(metadata: GgufMetadata): JsonObject {
  const kind = metadata.required("tokenizer.ggml.model", metadata.text("tokenizer.ggml.model"));
  const vocabulary = vocabularyOf(metadata);
  if (kind === "gpt2") return byteLevel(metadata, vocabulary);
  if (kind === "llama") {
    return architectureOf(metadata).isGemma ? gemma(metadata, vocabulary) : sentencePiece(metadata, vocabulary);
  }
  throw ggufError(
    metadata.path,
    `tokenizer.ggml.model ${JSON.stringify(kind)} is not supported; supported are gpt2 and llama.`,
  );
}

/** The `tokenizer_config.json` beside it. */
export function tokenizerConfigOf(metadata: GgufMetadata, modelMaxLength: number): JsonObject {
  const { roles } = vocabularyOf(metadata);
  const template = metadata.text("tokenizer.chat_template");
  return {
    // The general class: tokenizer.json says it all.
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
    model_max_length: modelMaxLength,
    ...Object.fromEntries(Object.entries(roles).map(([role, token]) => [ROLES[role as Role], token])),
    ...(template !== undefined && { chat_template: template }),
  };
}

function byteLevel(metadata: GgufMetadata, vocabulary: Vocabulary): JsonObject {
  const splitting = splittingOf(metadata.path, metadata.text("tokenizer.ggml.pre"));
  const merges = metadata.required("tokenizer.ggml.merges", metadata.texts("tokenizer.ggml.merges"));
  return {
    version: "1.0",
    added_tokens: vocabulary.added,
    normalizer: splitting.normalizer,
    pre_tokenizer: splitting.preTokenizer,
    post_processor: template(metadata, vocabulary, { start: splitting.addsStart }),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: splitting.ignoresMerges,
      vocab: idsOf(vocabulary),
      merges: merges.map((merge) => pairOf(metadata, merge)),
    },
  };
}

/** Sentencepiece's BPE: spaces are written `▁`, and what is in no piece is spelled in bytes. */
function sentencePiece(metadata: GgufMetadata, vocabulary: Vocabulary): JsonObject {
  const prefixes = metadata.flag("tokenizer.ggml.add_space_prefix") ?? true;
  return {
    version: "1.0",
    added_tokens: vocabulary.added,
    normalizer: null,
    pre_tokenizer: metaspace(prefixes ? "first" : "never"),
    post_processor: template(metadata, vocabulary, { start: true }),
    decoder: joinedPieces(prefixes),
    model: pieces(vocabulary, mergesInFile(metadata) ?? mergesOf(vocabulary.tokens, scoresOf(metadata, vocabulary))),
  };
}

/** Gemma's has spaces as they are in the text, runs of them too, and learned its pieces in the order of their numbers. */
function gemma(metadata: GgufMetadata, given: Vocabulary): JsonObject {
  const isSpaces = (token: string) => /^\s* \s*$/.test(token);
  const spelled = (token: string) => (isSpaces(token) ? "▁".repeat(Array.from(token).length) : token);
  const tokens = given.tokens.map(spelled);
  const vocabulary = { ...given, tokens, added: given.added.filter(({ content }) => !isSpaces(String(content))) };
  const order = tokens.map((_, id) => -id);
  return {
    version: "1.0",
    added_tokens: vocabulary.added,
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
    post_processor: template(metadata, vocabulary, { start: true }),
    decoder: joinedPieces(false),
    model: pieces(vocabulary, mergesInFile(metadata) ?? mergesOf(tokens, order)),
  };
}

const pieces = (vocabulary: Vocabulary, merges: readonly [string, string][]): JsonObject => ({
  type: "BPE",
  unk_token: vocabulary.roles.unknown ?? null,
  fuse_unk: true,
  byte_fallback: true,
  vocab: idsOf(vocabulary),
  merges,
});

const mergesInFile = (metadata: GgufMetadata): [string, string][] | undefined =>
  metadata.texts("tokenizer.ggml.merges")?.map((merge) => pairOf(metadata, merge));

function pairOf({ path }: GgufMetadata, merge: string): [string, string] {
  const [left, right, ...rest] = merge.split(" ");
  if (left !== undefined && right !== undefined && rest.length === 0) return [left, right];
  throw ggufError(
    path,
    `tokenizer.ggml.merges has ${JSON.stringify(merge)}; expected two tokens with a space between.`,
  );
}

function scoresOf(metadata: GgufMetadata, { tokens }: Vocabulary): readonly number[] {
  const scores = metadata.required("tokenizer.ggml.scores", metadata.numbers("tokenizer.ggml.scores"));
  if (scores.length === tokens.length) return scores;
  throw ggufError(
    metadata.path,
    `tokenizer.ggml.scores has ${scores.length} entries, but there are ${tokens.length} tokens.`,
  );
}

/** What is put around texts. */
function template(
  metadata: GgufMetadata,
  { tokens, roles }: Vocabulary,
  defaults: { readonly start: boolean },
): JsonObject {
  const start = (metadata.flag("tokenizer.ggml.add_bos_token") ?? defaults.start) ? roles.bos : undefined;
  const end = (metadata.flag("tokenizer.ggml.add_eos_token") ?? false) ? roles.eos : undefined;
  const around = (sequence: "A" | "B", type_id: number): JsonObject[] => [
    ...special(start, type_id),
    { Sequence: { id: sequence, type_id } },
    ...special(end, type_id),
  ];
  const used = [...new Set([start, end].filter((token) => token !== undefined))];
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(
      used.map((token) => [token, { id: token, ids: [tokens.indexOf(token)], tokens: [token] }]),
    ),
  };
}

const special = (token: string | undefined, type_id: number): JsonObject[] =>
  token === undefined ? [] : [{ SpecialToken: { id: token, type_id } }];
