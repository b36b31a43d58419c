// A Unigram tokenizer in the metadata of a GGUF file.

import { isJsonObject, type JsonObject } from "../../../base/records/index.js";
import { stepsOf } from "../../../text/index.js";
import { bytes, flag, type GgufPair, numbers, text } from "../metadata.js";
import { ggufError } from "../types.js";
import { KINDS, type Token, type TokenizerParts, vocabulary, vocabularyTokens } from "./vocabulary.js";

/** The score of ids without a token, as llama.cpp's converter writes it. */
const UNUSED_SCORE = -10000;

/**
 * The metadata of llama.cpp's tokenizer `t5`, which is SentencePiece's Unigram.
 * @throws BidoraError `GGUF` for a tokenizer that would give other tokens in llama.cpp
 */
export function unigram({ path, json }: TokenizerParts, size: number): GgufPair[] {
  const charsmap = charsmapOf(json);
  if (charsmap === undefined)
    throw ggufError(
      path,
      "the tokenizer's normalizer and pre_tokenizer are not those of SentencePiece (Precompiled, without repeated spaces, and Metaspace), " +
        "so llama.cpp would split text differently.",
    );
  const model = json.model as JsonObject;
  const pieces = piecesOf(path, model);
  const unknown = pieces[Number(model.unk_id)]?.[0];
  if (unknown === undefined || model.byte_fallback === true)
    throw ggufError(
      path,
      "the tokenizer has no unknown token, or falls back to bytes, which llama.cpp's Unigram does not support.",
    );
  const tokens = vocabularyTokens(path, json, size, {
    model: pieces.map(([piece], id) => [piece, id] as const),
    token: (piece): Token => ({ text: piece, kind: piece === unknown ? KINDS.unknown : KINDS.normal }),
    added(token) {
      throw ggufError(
        path,
        `the tokenizer has the added token ${JSON.stringify(token)}, which llama.cpp's Unigram would match otherwise.`,
      );
    },
  });
  return [
    ["tokenizer.ggml.model", text("t5")],
    ["tokenizer.ggml.pre", text("default")],
    ...vocabulary(tokens),
    ["tokenizer.ggml.scores", numbers(tokens.map((_, id) => pieces[id]?.[1] ?? UNUSED_SCORE))],
    ["tokenizer.ggml.add_space_prefix", flag(true)],
    ["tokenizer.ggml.remove_extra_whitespaces", flag(true)],
    ["tokenizer.ggml.precompiled_charsmap", bytes(charsmap)],
  ];
}

/** The pieces with their scores, by id. */
function piecesOf(path: string, { vocab }: JsonObject): (readonly [string, number])[] {
  return (Array.isArray(vocab) ? vocab : []).map((entry) => {
    const [piece, score] = Array.isArray(entry) ? entry : [];
    if (typeof piece === "string" && typeof score === "number") return [piece, score];
    throw ggufError(path, `the tokenizer's vocabulary has ${JSON.stringify(entry)}; expected a piece and its score.`);
  });
}

/**
 * SentencePiece's table of replaced characters, if the steps before the model are SentencePiece's: these replacements, one space for
 * several, none at the ends, and ▁ for each space and before the text.
 */
function charsmapOf({ normalizer, pre_tokenizer: preTokenizer }: JsonObject): Buffer | undefined {
  const [first, ...more] = stepsOf(normalizer, "normalizers");
  const { type, precompiled_charsmap: charsmap } = first ?? {};
  if (type !== "Precompiled" || typeof charsmap !== "string") return undefined;
  const before = stepsOf(preTokenizer, "pretokenizers");
  const last = before.pop();
  const splits = before.length === 1 && before[0]?.type === "WhitespaceSplit";
  const isClean = splits ? more.length === 0 : before.length === 0 && cleansSpaces(more);
  return isClean && isMetaspace(last) ? Buffer.from(charsmap, "base64") : undefined;
}

/** Whether no space is left at the end, and no two in a row, as transformers converts SentencePiece's models. */
function cleansSpaces(steps: readonly JsonObject[]): boolean {
  const [strip, replace, ...more] = steps;
  const { Regex: pattern } = isJsonObject(replace?.pattern) ? replace.pattern : {};
  return (
    more.length === 0 &&
    strip?.type === "Strip" &&
    strip.strip_right === true &&
    replace?.type === "Replace" &&
    pattern === " {2,}" &&
    (replace.content === "▁" || replace.content === " ")
  );
}

const isMetaspace = (step: JsonObject | undefined): boolean =>
  step?.type === "Metaspace" && (step.prepend_scheme ?? "always") === "always" && step.add_prefix_space !== false;
