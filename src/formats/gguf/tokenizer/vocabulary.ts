// A Hugging Face tokenizer as a GGUF file describes it: the roles of its tokens, and the list of all.

import { isJsonObject, type JsonObject } from "../../../base/records/index.js";
import { addedTokensOf } from "../../../text/index.js";
import { count, type GgufPair, integers, texts } from "../metadata.js";
import { ggufError } from "../types.js";

/** llama.cpp's names for the roles of tokens, by role; one is misspelled. */
const ROLE_KEYS = {
  bos: "bos",
  eos: "eos",
  eot: "eot",
  unknown: "unknown",
  separator: "seperator",
  padding: "padding",
  mask: "mask",
} as const;
type Role = keyof typeof ROLE_KEYS;

/** A Hugging Face tokenizer as its files describe it. */
export interface TokenizerParts {
  /** Its path, for messages. */
  readonly path: string;
  /** The content of `tokenizer.json`. */
  readonly json: JsonObject;
  /** Token ids by role. */
  readonly roles: Readonly<Partial<Record<Role, number>>>;
  /** Whether it adds a start or an end token. */
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  /** Whether it adds a separator between the texts of a pair, besides the end token; undefined for a model of single texts. */
  readonly addsSeparator?: boolean | undefined;
  /** Whether texts are lowercased before they are tokenized, whatever the tokenizer does. */
  readonly lowercases: boolean;
  readonly chatTemplate: string | undefined;
}

/** The metadata that name the tokens with a role. */
export const rolePairs = ({ roles }: TokenizerParts): GgufPair[] =>
  (Object.keys(ROLE_KEYS) as Role[]).flatMap((role): GgufPair[] => {
    const id = roles[role];
    return id === undefined ? [] : [[`tokenizer.ggml.${ROLE_KEYS[role]}_token_id`, count(id)]];
  });

/** llama.cpp's token types. */
export const KINDS = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A vocabulary entry. */
export interface Token {
  readonly text: string;
  readonly kind: number;
}

/** How the entries of one kind of tokenizer are written. */
interface Entries {
  /** The tokens of the model with their ids. */
  readonly model: Iterable<readonly [text: string, id: unknown]>;
  /** @returns a token of the model as it is written */
  token(text: string): Token;
  /** @returns an added token that is not special, as it is written */
  added(text: string, flags: JsonObject): Token;
}

/**
 * The tokens of a `tokenizer.json` in order of their ids, as llama.cpp's converter lists them; ids without a token are marked unused.
 * @param size number of rows of the embeddings
 * @throws BidoraError `GGUF` for added tokens that llama.cpp would match differently, and for two tokens that it can't tell apart
 */
export function vocabularyTokens(path: string, tokenizer: JsonObject, size: number, entries: Entries): Token[] {
  const found = new Array<Token | undefined>(size).fill(undefined);
  const put = (id: unknown, token: Token): void => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < size) found[id] = token;
    else throw ggufError(path, `token ${JSON.stringify(token.text)} has id ${id}, but there are ${size} embeddings.`);
  };
  for (const [text, id] of entries.model) put(id, entries.token(text));
  for (const added of addedTokensOf(tokenizer)) {
    const token = addedToken(path, added, entries);
    if (found[added.id as number]?.kind !== KINDS.unknown) put(added.id, token);
  }
  const tokens = found.map((token, id) => token ?? { text: `[PAD${id}]`, kind: KINDS.unused });
  refuseAlike(path, tokens);
  return tokens;
}

/** The tokens of a model whose vocabulary maps texts to ids. */
export const idsByText = ({ vocab }: JsonObject): (readonly [string, unknown])[] =>
  Object.entries(isJsonObject(vocab) ? vocab : {});

/** The metadata that list the tokens. */
export const vocabulary = (tokens: readonly Token[]): GgufPair[] => [
  ["tokenizer.ggml.tokens", texts(tokens.map((token) => token.text))],
  ["tokenizer.ggml.token_type", integers(tokens.map((token) => token.kind))],
];

/** Names of special tokens that are not always marked as special. */
const LOOKS_SPECIAL = /^<\|.*\|>$|^<｜.*｜>$|^<unused\d+>$/s;

/** The token of masked language models takes the space before it; no text to embed contains it. */
const MASKS: readonly string[] = ["<mask>", "[MASK]"];

function addedToken(path: string, { content, special, ...flags }: JsonObject, { added }: Entries): Token {
  const text = String(content);
  const isMask = special === true && MASKS.includes(text);
  const set = ["single_word", "lstrip", "rstrip"].find((name) => flags[name] === true);
  if (set !== undefined && !(isMask && set === "lstrip")) {
    throw ggufError(path, `token ${JSON.stringify(text)} has ${set}, which llama.cpp does not support.`);
  }
  return special === true || LOOKS_SPECIAL.test(text) ? { text, kind: KINDS.control } : added(text, flags);
}

/** llama.cpp finds tokens by their text, and stops with a failed assertion if two have the same. */
function refuseAlike(path: string, tokens: readonly Token[]): void {
  const ids = new Map<string, number>();
  for (const [id, { text }] of tokens.entries()) {
    const other = ids.get(text);
    if (other !== undefined)
      throw ggufError(
        path,
        `tokens ${other} and ${id} would both be ${JSON.stringify(text)} in the file: not supported.`,
      );
    ids.set(text, id);
  }
}
