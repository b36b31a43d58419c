/** A model folder's tokenizer in the terms of GGUF files. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { GENERATION_CONFIG, own } from "../../../base/index.js";
import { isJsonObject, type JsonObject, readJsonObject } from "../../../base/records/index.js";
import { type TokenizerParts, TURN_ENDS } from "../../../formats/gguf/index.js";
import type { Tokenizer } from "../../../text/index.js";
import { exportError } from "./form.js";

/** How a model reads texts that it embeds or ranks. */
interface TextReading {
  /** Whether texts are lowercased before they are tokenized. */
  readonly lowercases?: boolean;
}

/**
 * A tokenizer in the keys of GGUF files.
 * @param read how a model reads texts that it embeds or ranks; undefined for a language model
 * @throws BidoraError `EXPORT` for a tokenizer that adds other tokens to a text than llama.cpp can
 */
export async function tokenizerParts(
  tokenizer: Tokenizer,
  folder: string,
  config: JsonObject,
  read?: TextReading,
): Promise<TokenizerParts> {
  const [before, after] = [await tokenizer.prefixIds(), await tokenizer.suffixIds()];
  const named = {
    bos: tokenizer.specialTokenId("bos_token") ?? idOf(config.bos_token_id),
    eos: tokenizer.specialTokenId("eos_token") ?? idOf(config.eos_token_id),
  };
  // A model that generates no text needs these roles only for the tokens around a text
  const { bos, eos } = read ? { bos: before[0] ?? named.bos, eos: after[0] ?? named.eos } : named;
  const json = tokenizer.json as JsonObject;
  const roles = {
    ...{ bos, eos, eot: turnEnd(tokenizer, endsOf(folder, config), eos) },
    unknown: unknownOf(json) ?? tokenizer.specialTokenId("unk_token"),
    padding: tokenizer.padTokenId ?? idOf(config.pad_token_id),
    // WordPiece puts the separator after a text
    ...(read && {
      separator: after[0] ?? tokenizer.specialTokenId("sep_token"),
      mask: tokenizer.specialTokenId("mask_token"),
    }),
  };
  return {
    path: folder,
    json,
    roles: Object.fromEntries(Object.entries(roles).filter(([, id]) => id !== undefined)),
    addsBos: isAdded(before, bos, "before"),
    addsEos: isAdded(after, eos, "after"),
    lowercases: read?.lowercases ?? false,
    chatTemplate: tokenizer.chatTemplateText,
  };
}

/** The unknown token that the tokenizer's model uses, whatever its settings name; undefined for BPE. */
function unknownOf({ model }: JsonObject): number | undefined {
  const { type, unk_id: id, unk_token: token, vocab } = isJsonObject(model) ? model : {};
  if (type === "Unigram") return idOf(id);
  return type === "WordPiece" && isJsonObject(vocab) ? idOf(own(vocab, String(token))) : undefined;
}

function isAdded(ids: readonly number[], token: number | undefined, where: string): boolean {
  if (ids.length === 0) return false;
  if (ids.length === 1 && ids[0] === token) return true;
  const role = where === "before" ? "bos_token" : "eos_token";
  throw exportError(
    `its tokenizer adds tokens ${ids.join(", ")} ${where} a text, but llama.cpp can only add the ${role}.`,
  );
}

const idOf = (id: unknown): number | undefined => (typeof id === "number" ? id : undefined);

/** The tokens that end generation, from the model's files. */
function endsOf(folder: string, config: JsonObject): unknown[] {
  const path = join(folder, GENERATION_CONFIG);
  const ends = (existsSync(path) ? readJsonObject(path).eos_token_id : undefined) ?? config.eos_token_id;
  return Array.isArray(ends) ? ends : [ends];
}

/** The other end token, if it is one that ends a turn. */
function turnEnd(tokenizer: Tokenizer, ends: readonly unknown[], eos: number | undefined): number | undefined {
  const others = ends.filter((id) => typeof id === "number").filter((id) => id !== eos);
  return others.find((id) => TURN_ENDS.includes(tokenizer.tokenText(id) ?? ""));
}

/** The strings of the tokens that end an answer. */
export function stopsOf(tokenizer: Tokenizer, { roles }: TokenizerParts): string[] {
  const ids = [roles.eos, roles.eot].filter((id) => id !== undefined);
  return ids.flatMap((id) => tokenizer.tokenText(id) ?? []);
}
