// From a file's metadata to `tokenizer.json` and `tokenizer_config.json`.

import type { JsonObject } from "../../../base/records/index.js";
import { byteLevelBpe, joinedPieces, metaspace, templateProcessing } from "../../../text/index.js";
import { ggufArchitectureOf } from "../architectures.js";
import type { GgufMetadata } from "../metadata.js";
import { tokenId } from "../modelConfig.js";
import { ggufError } from "../types.js";
import { splittingOf } from "./preTokenizers.js";

/**
 * The `tokenizer.json` of a file's tokenizer.
 * @throws BidoraError `GGUF` for a tokenizer model or a pre-tokenizer that is not supported
 */
export function tokenizerOf(metadata: GgufMetadata): JsonObject {
  const kind = metadata.required("tokenizer.ggml.model", metadata.text("tokenizer.ggml.model"));
  const vocabulary = vocabularyOf(metadata);
  if (kind === "gpt2") return byteLevel(metadata, vocabulary);
  if (kind === "llama") {
    return ggufArchitectureOf(metadata).isGemma ? gemma(metadata, vocabulary) : sentencePiece(metadata, vocabulary);
  }
  throw ggufError(
    metadata.path,
    `tokenizer.ggml.model ${JSON.stringify(kind)} is not supported; supported are gpt2 and llama.`,
  );
}

/** The `tokenizer_config.json` of a file's tokenizer. */
export function tokenizerConfigOf(metadata: GgufMetadata, modelMaxLength: number): JsonObject {
  const { roles } = vocabularyOf(metadata);
  const template = metadata.text("tokenizer.chat_template");
  return {
    // The generic class, since tokenizer.json has everything.
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
    ...byteLevelBpe({
      byte_fallback: false,
      ignore_merges: splitting.ignoresMerges,
      vocab: idsOf(vocabulary),
      merges: merges.map((merge) => pairOf(metadata, merge)),
    }),
  };
}

/** SentencePiece BPE: spaces are written as `▁`, and characters outside the vocabulary as bytes. */
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

/** Gemma's SentencePiece BPE: tokens can contain spaces and runs of them, and merges are ordered by token id. */
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
    `tokenizer.ggml.merges has ${JSON.stringify(merge)}; expected two tokens separated by a space.`,
  );
}

export function scoresOf(metadata: GgufMetadata, { tokens }: Vocabulary): readonly number[] {
  const scores = metadata.required("tokenizer.ggml.scores", metadata.numbers("tokenizer.ggml.scores"));
  if (scores.length === tokens.length) return scores;
  throw ggufError(
    metadata.path,
    `tokenizer.ggml.scores has ${scores.length} entries, but there are ${tokens.length} tokens.`,
  );
}

/** The post-processor, which adds the start and end tokens. */
function template(
  metadata: GgufMetadata,
  { tokens, roles }: Vocabulary,
  defaults: { readonly start: boolean },
): JsonObject {
  const start = (metadata.flag("tokenizer.ggml.add_bos_token") ?? defaults.start) ? roles.bos : undefined;
  const end = (metadata.flag("tokenizer.ggml.add_eos_token") ?? false) ? roles.eos : undefined;
  return templateProcessing({ start, end }, (token) => tokens.indexOf(token));
}

/** A file's vocabulary and its special tokens. */
export interface Vocabulary {
  readonly tokens: readonly string[];
  /** Tokens by role: bos, eos, unknown, padding. */
  readonly roles: Readonly<Partial<Record<Role, string>>>;
  /** The `added_tokens` of `tokenizer.json`, which are matched before the text is split. */
  readonly added: readonly JsonObject[];
}

/** Transformers' names for the roles of tokens. */
const ROLES = { bos: "bos_token", eos: "eos_token", unknown: "unk_token", padding: "pad_token" } as const;
type Role = keyof typeof ROLES;

/** llama.cpp's token types for special tokens, and for other tokens that are never split. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** @throws BidoraError `GGUF` for lists of different lengths */
export function vocabularyOf(metadata: GgufMetadata): Vocabulary {
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

/** Token ids by token. */
const idsOf = ({ tokens }: Vocabulary): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));

/**
 * The BPE merges of a vocabulary with scores, as transformers makes them: every way to build a token from two others, ordered by score,
 * then by the length of the first part.
 */
export function mergesOf(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const scoreOf = new Map(tokens.map((token, id) => [token, scores[id]!]));
  const merges: Merge[] = [];
  for (const [token, score] of scoreOf) merges.push(...splits(token, score, ids));
  merges.sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1]);
  return merges.map(({ parts }) => parts);
}

interface Merge {
  readonly parts: [string, string];
  /** Lengths of the parts in characters. */
  readonly lengths: readonly [number, number];
  readonly score: number;
}

function splits(token: string, score: number, ids: ReadonlyMap<string, number>): Merge[] {
  const characters = Array.from(token);
  const found: Merge[] = [];
  for (let at = 1; at < characters.length; at++) {
    const parts: [string, string] = [characters.slice(0, at).join(""), characters.slice(at).join("")];
    if (ids.has(parts[0]) && ids.has(parts[1])) found.push({ parts, lengths: [at, characters.length - at], score });
  }
  const idOf = (part: string) => ids.get(part)!;
  return found.sort((a, b) => idOf(a.parts[0]) - idOf(b.parts[0]) || idOf(a.parts[1]) - idOf(b.parts[1]));
}
