import type { JsonObject } from "../json.js";
import { tokenId } from "./config.js";
import { ggufError } from "./error.js";
import type { GgufMetadata } from "./metadata.js";

/** A file's vocabulary, and which of its tokens are what. */
export interface Vocabulary {
  readonly tokens: readonly string[];
  /** The token's text by its role: bos, eos, unknown, padding. */
  readonly roles: Readonly<Partial<Record<Role, string>>>;
  /** What is found in a text before it is split, as `tokenizer.json` lists it. */
  readonly added: readonly JsonObject[];
}

/** What transformers calls the tokens with a role. */
export const ROLES = { bos: "bos_token", eos: "eos_token", unknown: "unk_token", padding: "pad_token" } as const;
export type Role = keyof typeof ROLES;

/** Kinds of tokens: those that steer a model, and those that its makers want whole. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** @throws BidoraError `GGUF` for lists that do not fit each other */
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

/** Ids by token. */
export const idsOf = ({ tokens }: Vocabulary): Record<string, number> =>
  Object.fromEntries(tokens.map((token, id) => [token, id]));
