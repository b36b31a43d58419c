// From a Hugging Face tokenizer to the metadata of a GGUF file.

import { isJsonObject, type JsonObject } from "../../../base/records/index.js";
import { stepsOf } from "../../../text/index.js";
import { flag, type GgufPair, numbers, text, texts } from "../metadata.js";
import { ggufError } from "../types.js";
import { splittingName, splittingNames } from "./preTokenizers.js";
import { mergesOf } from "./tokenizer.js";
import { unigram } from "./unigram.js";
import {
  idsByText,
  KINDS,
  rolePairs,
  type Token,
  type TokenizerParts,
  vocabulary,
  vocabularyTokens,
} from "./vocabulary.js";
import { wordPieceMetadata } from "./wordPiece.js";

/**
 * The metadata that llama.cpp's converter writes for a tokenizer.
 * @param size number of rows of the embeddings
 * @throws BidoraError `GGUF` for a tokenizer that would give other tokens in llama.cpp
 */
export function tokenizerMetadata(parts: TokenizerParts, size: number): GgufPair[] {
  const { addsBos, addsEos, addsSeparator, chatTemplate } = parts;
  return [
    ...ownMetadata(parts, size),
    ...rolePairs(parts),
    ["tokenizer.ggml.add_bos_token", flag(addsBos)],
    ["tokenizer.ggml.add_eos_token", flag(addsEos)],
    ...(addsSeparator === undefined ? [] : [["tokenizer.ggml.add_sep_token", flag(addsSeparator)] as const]),
    ...(chatTemplate === undefined ? [] : [["tokenizer.chat_template", text(chatTemplate)] as const]),
  ];
}

/** The metadata of one kind of tokenizer. */
function ownMetadata(parts: TokenizerParts, size: number): GgufPair[] {
  const { path, json } = parts;
  const { type } = isJsonObject(json.model) ? json.model : {};
  if (type === "WordPiece") return wordPieceMetadata(parts, size);
  if (parts.lowercases) {
    throw ggufError(
      path,
      "its folder lowercases texts (do_lower_case), which llama.cpp does only for WordPiece tokenizers: set do_lower_case to false, " +
        "and lowercase texts yourself before they are embedded.",
    );
  }
  if (type === "Unigram") return unigram(parts, size);
  const model = pairEncoding(path, json);
  return model.byte_fallback === true ? sentencePiece(path, json, model, size) : byteLevel(path, json, model, size);
}

/** The settings of the BPE model. @throws BidoraError `GGUF` for another model type, or a setting that llama.cpp doesn't have */
function pairEncoding(path: string, { model }: JsonObject): JsonObject {
  const { type, ...settings } = isJsonObject(model) ? model : {};
  if (type !== "BPE") {
    throw ggufError(
      path,
      `the tokenizer's model ${JSON.stringify(type)} is not supported; expected BPE, WordPiece or Unigram.`,
    );
  }
  const set = ["continuing_subword_prefix", "end_of_word_suffix", "dropout"].find((key) => Boolean(settings[key]));
  if (set === undefined) return settings;
  throw ggufError(
    path,
    `the tokenizer's model has ${set} ${JSON.stringify(settings[set])}, which llama.cpp does not support.`,
  );
}

function byteLevel(path: string, json: JsonObject, model: JsonObject, size: number): GgufPair[] {
  const splitting = splittingName(json);
  if (splitting === undefined) {
    throw ggufError(
      path,
      "the tokenizer's normalizer, pre_tokenizer and ignore_merges match none of llama.cpp's pre-tokenizers that are supported here " +
        `(${splittingNames().join(", ")}). Convert the merged model with llama.cpp's own convert_hf_to_gguf.py.`,
    );
  }
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text(splitting)],
    ...vocabulary(vocabularyTokens(path, json, size, byteTokens(model))),
    ["tokenizer.ggml.merges", texts(pairsOf(path, model).map((pair) => pair.join(" ")))],
  ];
}

const byteTokens = (model: JsonObject) => ({
  model: idsByText(model),
  token: (token: string) => ({ text: token, kind: KINDS.normal }),
  added: (token: string) => ({ text: token, kind: KINDS.userDefined }),
});

/** The merges as pairs; `tokenizer.json` has pairs, or two tokens separated by a space. */
function pairsOf(path: string, { merges }: JsonObject): (readonly [string, string])[] {
  const pairs = (Array.isArray(merges) ? merges : []).map((merge) =>
    typeof merge === "string" ? merge.split(" ") : merge,
  );
  return pairs.map((pair) => {
    if (Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string"))
      return pair as [string, string];
    throw ggufError(path, `the tokenizer's merges have ${JSON.stringify(pair)}; expected two tokens.`);
  });
}

/** Written with scores: llama.cpp merges any two tokens whose concatenation is a token, best score first. */
function sentencePiece(path: string, json: JsonObject, model: JsonObject, size: number): GgufPair[] {
  const prefix = spacePrefix(json);
  if (prefix === undefined) {
    throw ggufError(
      path,
      "the tokenizer's normalizer and pre_tokenizer are not those of a SentencePiece model, so llama.cpp would split text " +
        "differently. Convert the merged model with llama.cpp's own convert_hf_to_gguf.py.",
    );
  }
  const tokens = vocabularyTokens(path, json, size, pieces(model));
  const merges = pairsOf(path, model);
  const scores = scoresOf(tokens, merges);
  refuseOtherMerges(path, tokens, scores, merges);
  return [
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.pre", text("default")],
    ...vocabulary(tokens),
    ["tokenizer.ggml.scores", numbers(scores)],
    ["tokenizer.ggml.add_space_prefix", flag(prefix)],
  ];
}

const pieces = (model: JsonObject) => ({
  model: idsByText(model),
  token: (token: string) => {
    const isByte = /^<0x[0-9A-F]{2}>$/.test(token);
    return { text: token, kind: token === model.unk_token ? KINDS.unknown : isByte ? KINDS.byte : KINDS.normal };
  },
  added: (token: string) => ({ text: token.replaceAll("▁", " "), kind: KINDS.userDefined }),
});

/** Whether a space is added before the text; undefined for a tokenizer that is not SentencePiece's. */
function spacePrefix({ normalizer, pre_tokenizer: preTokenizer }: JsonObject): boolean | undefined {
  const names = stepsOf(normalizer, "normalizers")
    .map(({ type }) => type)
    .join();
  const pre = isJsonObject(preTokenizer) ? preTokenizer : undefined;
  if (pre?.type === "Metaspace" && names === "" && pre.split !== true) {
    const scheme = pre.prepend_scheme ?? (pre.add_prefix_space === false ? "never" : "always");
    return scheme !== "never";
  }
  // By then the normalizer has replaced spaces by ▁, so Gemma's split at spaces does nothing.
  if (pre !== undefined && !(pre.type === "Split" && isSpace(pre.pattern))) return undefined;
  if (names === "Prepend,Replace") return true;
  return names === "Replace" ? false : undefined;
}

const isSpace = (pattern: unknown): boolean => isJsonObject(pattern as never) && (pattern as JsonObject).String === " ";

/** A token's score is minus the rank of its first merge, as in SentencePiece. */
function scoresOf(tokens: readonly Token[], merges: readonly (readonly [string, string])[]): number[] {
  const order = new Map<string, number>();
  for (const [left, right] of merges) if (!order.has(left + right)) order.set(left + right, order.size);
  return tokens.map(({ text: token, kind }) => (kind === KINDS.normal ? -(order.get(token) ?? order.size) : 0));
}

/** @throws BidoraError `GGUF` if the tokenizer lacks a merge that llama.cpp would do, or has merges in an order that scores can't express */
function refuseOtherMerges(
  path: string,
  tokens: readonly Token[],
  scores: readonly number[],
  merges: readonly (readonly [string, string])[],
): void {
  const own = new Set(merges.map((pair) => pair.join(" ")));
  const scoreOf = new Map(tokens.map(({ text: token }, id) => [token, scores[id]!]));
  const isNormal = new Set(tokens.filter(({ kind }) => kind === KINDS.normal).map((token) => token.text));
  const missing = mergesOf(
    [...isNormal],
    [...isNormal].map((token) => scoreOf.get(token)!),
  ).find((pair) => !own.has(pair.join(" ")));
  if (missing !== undefined) {
    throw ggufError(
      path,
      `the tokenizer never merges ${JSON.stringify(missing[0])} and ${JSON.stringify(missing[1])}, as SentencePiece and llama.cpp would: not supported.`,
    );
  }
  const late = merges.findIndex(
    ([left, right], i) => i > 0 && scoreOf.get(left + right)! > scoreOf.get(merges[i - 1]!.join(""))!,
  );
  if (late === -1) return;
  throw ggufError(
    path,
    `the tokenizer merges ${JSON.stringify(merges[late]!.join(""))} at several ranks, which llama.cpp's scores can't express: not supported.`,
  );
}
