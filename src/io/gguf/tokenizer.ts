import type { JsonObject } from "../json.js";
import { tokenId } from "./config.js";
import { ggufError } from "./error.js";
import type { GgufMetadata } from "./metadata.js";
import { splittingOf } from "./preTokenizers.js";
import { mergesOf } from "./sentencePiece.js";

/** A file's vocabulary, and which of its tokens are what. */
interface Vocabulary {
  readonly tokens: readonly string[];
  /** The token's text by its role: bos, eos, unknown, padding. */
  readonly roles: Readonly<Partial<Record<Role, string>>>;
  readonly added: readonly JsonObject[];
}

const ROLES = { bos: "bos_token", eos: "eos_token", unknown: "unk_token", padding: "pad_token" } as const;
type Role = keyof typeof ROLES;

/** The kinds of tokens that are found in a text before it is split. */
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * The `tokenizer.json` of a file's tokenizer.
 * @throws BidoraError `GGUF` for a kind, or a way of splitting texts, that is not supported
 */
export function tokenizerOf(metadata: GgufMetadata): JsonObject {
  const kind = metadata.required("tokenizer.ggml.model", metadata.text("tokenizer.ggml.model"));
  const vocabulary = vocabularyOf(metadata);
  if (kind === "gpt2") return byteLevel(metadata, vocabulary);
  if (kind === "llama") return sentencePiece(metadata, vocabulary);
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
      vocab: vocabOf(vocabulary),
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
    pre_tokenizer: {
      type: "Metaspace",
      replacement: "▁",
      prepend_scheme: prefixes ? "first" : "never",
      split: false,
    },
    post_processor: template(metadata, vocabulary, { start: true }),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefixes ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      unk_token: vocabulary.roles.unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabOf(vocabulary),
      merges: mergesInFile(metadata) ?? mergesOf(vocabulary.tokens, scoresOf(metadata, vocabulary)),
    },
  };
}

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

function vocabularyOf(metadata: GgufMetadata): Vocabulary {
  const tokens = metadata.required("tokenizer.ggml.tokens", metadata.texts("tokenizer.ggml.tokens"));
  const types = metadata.numbers("tokenizer.ggml.token_type") ?? [];
  if (types.length > 0 && types.length !== tokens.length) {
    throw ggufError(
      metadata.path,
      `tokenizer.ggml.token_type has ${types.length} entries, but there are ${tokens.length} tokens.`,
    );
  }
  const roles: Partial<Record<Role, string>> = {};
  const named = new Set<number>();
  for (const role of Object.keys(ROLES) as Role[]) {
    const id = tokenId(metadata, role, tokens.length);
    if (id === undefined) continue;
    named.add(id);
    roles[role] = tokens[id]!;
  }
  const added = tokens.flatMap((content, id) => {
    const isSpecial = types[id] === CONTROL || named.has(id);
    return isSpecial || types[id] === USER_DEFINED ? [addedToken(id, content, isSpecial)] : [];
  });
  return { tokens, roles, added };
}

function addedToken(id: number, content: string, special: boolean): JsonObject {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

const vocabOf = ({ tokens }: Vocabulary): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));

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
