import { isJsonObject, type JsonObject } from "../json.js";
import { ggufError } from "./format.js";
import { count, flag, type GgufPair, integers, numbers, text, texts } from "./metadata.js";
import { splittingName, splittingNames } from "./preTokenizers.js";
import { mergesOf } from "./tokenizer.js";

/** Tokens that have a role, by llama.cpp's names of these. */
export const TOKEN_ROLES = ["bos", "eos", "eot", "unknown", "padding"] as const;

/** A tokenizer as files hold it. */
export interface TokenizerParts {
  /** Where it came from, for messages. */
  readonly path: string;
  /** Its `tokenizer.json`. */
  readonly json: JsonObject;
  /** Ids of tokens with a role. */
  readonly roles: Readonly<Partial<Record<(typeof TOKEN_ROLES)[number], number>>>;
  /** What it puts before a text and after it. */
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  readonly chatTemplate: string | undefined;
}

/**
 * A tokenizer as llama.cpp's converter writes it.
 * @param size rows of the embeddings
 * @throws BidoraError `GGUF` for a tokenizer that would give other tokens in llama.cpp
 */
export function tokenizerMetadata(parts: TokenizerParts, size: number): GgufPair[] {
  const { path, json, roles, addsBos, addsEos, chatTemplate } = parts;
  const model = pairEncoding(path, json);
  const own =
    model.byte_fallback === true ? sentencePiece(path, json, model, size) : byteLevel(path, json, model, size);
  const ids = TOKEN_ROLES.flatMap((role): GgufPair[] => {
    const id = roles[role];
    return id === undefined ? [] : [[`tokenizer.ggml.${role}_token_id`, count(id)]];
  });
  return [
    ...own,
    ...ids,
    ["tokenizer.ggml.add_bos_token", flag(addsBos)],
    ["tokenizer.ggml.add_eos_token", flag(addsEos)],
    ...(chatTemplate === undefined ? [] : [["tokenizer.chat_template", text(chatTemplate)] as const]),
  ];
}

/** @throws BidoraError `GGUF` for another kind of model, or one with parts that llama.cpp has not */
function pairEncoding(path: string, { model }: JsonObject): JsonObject {
  const { type, ...settings } = isJsonObject(model) ? model : {};
  if (type !== "BPE") {
    throw ggufError(path, `the tokenizer's model ${JSON.stringify(type)} is not supported; expected BPE.`);
  }
  const set = ["continuing_subword_prefix", "end_of_word_suffix", "dropout"].find((key) => Boolean(settings[key]));
  if (set === undefined) return settings;
  throw ggufError(
    path,
    `the tokenizer's model has ${set} ${JSON.stringify(settings[set])}, which llama.cpp knows nothing of: not supported.`,
  );
}

function byteLevel(path: string, json: JsonObject, model: JsonObject, size: number): GgufPair[] {
  const splitting = splittingName(json);
  if (splitting === undefined) {
    throw ggufError(
      path,
      `the tokenizer splits texts in a way that is not known here (normalizer, pre_tokenizer, ignore_merges), so that llama.cpp ` +
        `can't be told its name; known are those of ${splittingNames().join(", ")}. Convert the merged model with llama.cpp's own ` +
        "convert_hf_to_gguf.py.",
    );
  }
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text(splitting)],
    ...vocabulary(tokensOf(path, json, size, "gpt2")),
    ["tokenizer.ggml.merges", texts(pairsOf(path, model).map((pair) => pair.join(" ")))],
  ];
}

const vocabulary = (tokens: readonly Token[]): GgufPair[] => [
  ["tokenizer.ggml.tokens", texts(tokens.map((token) => token.text))],
  ["tokenizer.ggml.token_type", integers(tokens.map((token) => token.kind))],
];

/** Merges as pairs: files have them as pairs, or as two tokens with a space between. */
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

/** llama.cpp makes any token of any two that give it, the best scores first. */
function sentencePiece(path: string, json: JsonObject, model: JsonObject, size: number): GgufPair[] {
  const prefix = spacePrefix(json);
  if (prefix === undefined) {
    throw ggufError(
      path,
      "the tokenizer's normalizer and pre_tokenizer are not those of a sentencepiece model, so that llama.cpp would split texts " +
        "otherwise. Convert the merged model with llama.cpp's own convert_hf_to_gguf.py.",
    );
  }
  const tokens = tokensOf(path, json, size, "llama");
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

/** Whether a space is put before a text; undefined for what is not sentencepiece's. */
function spacePrefix({ normalizer, pre_tokenizer: preTokenizer }: JsonObject): boolean | undefined {
  const steps = (step: unknown): JsonObject[] => {
    if (!isJsonObject(step as never)) return [];
    const { normalizers } = step as JsonObject;
    return Array.isArray(normalizers) ? normalizers.filter(isJsonObject) : [step as JsonObject];
  };
  const names = steps(normalizer)
    .map(({ type }) => type)
    .join();
  const pre = isJsonObject(preTokenizer) ? preTokenizer : undefined;
  if (pre?.type === "Metaspace" && names === "" && pre.split !== true) {
    const scheme = pre.prepend_scheme ?? (pre.add_prefix_space === false ? "never" : "always");
    return scheme !== "never";
  }
  // Spaces have become ▁ by then, so that Gemma's splitting at them does nothing.
  if (pre !== undefined && !(pre.type === "Split" && isSpace(pre.pattern))) return undefined;
  if (names === "Prepend,Replace") return true;
  return names === "Replace" ? false : undefined;
}

const isSpace = (pattern: unknown): boolean => isJsonObject(pattern as never) && (pattern as JsonObject).String === " ";

/** The earlier a token's first merge, the better its score, as sentencepiece counts them. */
function scoresOf(tokens: readonly Token[], merges: readonly (readonly [string, string])[]): number[] {
  const order = new Map<string, number>();
  for (const [left, right] of merges) if (!order.has(left + right)) order.set(left + right, order.size);
  return tokens.map(({ text: token, kind }) => (kind === KINDS.normal ? -(order.get(token) ?? order.size) : 0));
}

/** @throws BidoraError `GGUF` where the tokenizer does not merge two tokens although they give a third, or in another order */
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
      `the tokenizer never merges ${JSON.stringify(missing[0])} and ${JSON.stringify(missing[1])}, as sentencepiece and llama.cpp would: it is not supported.`,
    );
  }
  const late = merges.findIndex(
    ([left, right], i) => i > 0 && scoreOf.get(left + right)! > scoreOf.get(merges[i - 1]!.join(""))!,
  );
  if (late === -1) return;
  throw ggufError(
    path,
    `the tokenizer merges ${JSON.stringify(merges[late]!.join(""))} in several places of its order, which llama.cpp's scores can't say: it is not supported.`,
  );
}

/** llama.cpp's kinds of tokens. */
export const KINDS = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A place in a vocabulary. */
export interface Token {
  readonly text: string;
  readonly kind: number;
}

/** Tokens that steer a model have such names where their makers forgot to say so. */
const LOOKS_SPECIAL = /^<\|.*\|>$|^<｜.*｜>$|^<unused\d+>$/s;

/**
 * The tokens of a `tokenizer.json` by their ids, as llama.cpp's converter lists them: rows of the embeddings that have none are unused.
 * @param size rows of the embeddings
 * @throws BidoraError `GGUF` for tokens that llama.cpp would not find as the tokenizer does
 */
export function tokensOf(path: string, tokenizer: JsonObject, size: number, kind: "gpt2" | "llama"): Token[] {
  const { vocab, unk_token: unknown } = tokenizer.model as JsonObject;
  const found = new Array<Token | undefined>(size).fill(undefined);
  const put = (id: unknown, token: Token): void => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < size) found[id] = token;
    else throw ggufError(path, `token ${JSON.stringify(token.text)} has id ${id}, but there are ${size} embeddings.`);
  };
  for (const [text, id] of Object.entries(isJsonObject(vocab) ? vocab : {})) {
    const isUnknown = kind === "llama" && text === unknown;
    const isByte = kind === "llama" && /^<0x[0-9A-F]{2}>$/.test(text);
    put(id, { text, kind: isUnknown ? KINDS.unknown : isByte ? KINDS.byte : KINDS.normal });
  }
  for (const added of addedTokens(tokenizer)) {
    const token = addedToken(path, added, kind);
    if (found[added.id as number]?.kind !== KINDS.unknown) put(added.id, token);
  }
  return found.map((token, id) => token ?? { text: `[PAD${id}]`, kind: KINDS.unused });
}

function addedTokens({ added_tokens: added }: JsonObject): JsonObject[] {
  return Array.isArray(added) ? added.filter(isJsonObject) : [];
}

function addedToken(path: string, { content, special, ...flags }: JsonObject, kind: "gpt2" | "llama"): Token {
  const text = String(content);
  const set = ["single_word", "lstrip", "rstrip"].find((name) => flags[name] === true);
  if (set !== undefined) {
    throw ggufError(path, `token ${JSON.stringify(text)} has ${set}, which llama.cpp knows nothing of: not supported.`);
  }
  if (special === true || LOOKS_SPECIAL.test(text)) return { text, kind: KINDS.control };
  return { text: kind === "llama" ? text.replaceAll("▁", " ") : text, kind: KINDS.userDefined };
}
