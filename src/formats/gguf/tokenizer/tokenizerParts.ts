// A Hugging Face tokenizer as a GGUF file describes it.

import type { JsonObject } from "../../../base/records/index.js";
import { count, type GgufPair } from "../metadata.js";

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
