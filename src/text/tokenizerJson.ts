// Parts of a `tokenizer.json`: reading them, and making those that tokenizers from vocabulary files and from GGUF files have in common.
import { isJsonObject, type JsonObject, type JsonValue } from "../base/records/index.js";

/** The tokens that are matched before a text is split. */
export function addedTokensOf({ added_tokens: added }: JsonObject): JsonObject[] {
  return Array.isArray(added) ? added.filter(isJsonObject) : [];
}

/** The ids of all tokens: those of the vocabulary, which is a list in Unigram, and added ones. */
export function tokenIds(spec: JsonObject): Map<string, number> {
  const { vocab } = isJsonObject(spec.model) ? spec.model : {};
  const pieces = Array.isArray(vocab)
    ? vocab.map((piece, id) => [String(Array.isArray(piece) ? piece[0] : piece), id] as const)
    : (Object.entries(isJsonObject(vocab) ? vocab : {}) as [string, number][]);
  return new Map([
    ...pieces,
    ...addedTokensOf(spec).map(({ content, id }) => [String(content), id as number] as const),
  ]);
}

/** The steps of a normalizer or pre-tokenizer, which may be a sequence. @param list the key of a sequence's steps */
export function stepsOf(section: unknown, list: "normalizers" | "pretokenizers"): JsonObject[] {
  if (!isJsonObject(section)) return [];
  const steps = section.type === "Sequence" ? section[list] : [section];
  return Array.isArray(steps) ? steps.filter(isJsonObject) : [section];
}

/**
 * The post-processor that adds tokens at the start and the end of a text, if they are given.
 * @param idOf the id of such a token
 */
export function templateProcessing(
  { start, end }: { readonly start: string | undefined; readonly end: string | undefined },
  idOf: (token: string) => number,
): JsonObject {
  const one = (token: string | undefined, type_id: number): JsonObject[] =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id } }];
  const around = (id: "A" | "B", type_id: number): JsonObject[] => [
    ...one(start, type_id),
    { Sequence: { id, type_id } },
    ...one(end, type_id),
  ];
  const used = [...new Set([start, end].filter((token) => token !== undefined))];
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(
      used.map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }]),
    ),
  };
}

/** The decoder and the model of byte-level BPE, with the model's other keys. */
export const byteLevelBpe = (model: JsonObject): { readonly decoder: JsonObject; readonly model: JsonObject } => ({
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: { type: "BPE", continuing_subword_prefix: "", end_of_word_suffix: "", fuse_unk: false, ...model },
});

export const sequence = (...steps: readonly JsonObject[]): JsonObject => ({ type: "Sequence", pretokenizers: steps });

/** A byte-level pre-tokenizer that splits a text where an expression matches. */
export const splitByteLevel = (expression: string, addPrefixSpace: JsonValue = false): JsonObject =>
  sequence(
    { type: "Split", pattern: { Regex: expression }, behavior: "Isolated", invert: false },
    { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: false },
  );

/** The words of Qwen 2 and 3, in which each digit is one. */
export const QWEN2_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** SentencePiece's pre-tokenizer. @param scheme whether to put a space before a text, also after special tokens, or nowhere */
export const metaspace = (scheme: "first" | "always" | "never"): JsonObject => ({
  type: "Metaspace",
  replacement: "▁",
  prepend_scheme: scheme,
  split: false,
});

/** SentencePiece's decoder. @param stripsSpace whether to remove the space before the first piece */
export const joinedPieces = (stripsSpace: boolean): JsonObject => ({
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    ...(stripsSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
  ],
});
