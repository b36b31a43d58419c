import { isJsonObject, type JsonObject } from "../json.js";
import { ggufError } from "./error.js";

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
