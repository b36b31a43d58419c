import { existsSync } from "node:fs";
import { join } from "node:path";
import { type JsonObject, readJsonObject } from "../../files/json.js";
import type { TokenizerParts } from "../../io/gguf/tokenizerMetadata.js";
import type { Tokenizer } from "../../text/index.js";
import { exportError } from "./refuse.js";

/** Tokens that end a turn, in the families' chat formats. */
const TURN_ENDS: readonly string[] = ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<turn|>"];

/**
 * What GGUF files hold of a tokenizer.
 * @throws BidoraError `EXPORT` for one that puts something else around texts than its first and last token
 */
export async function tokenizerParts(
  tokenizer: Tokenizer,
  folder: string,
  config: JsonObject,
): Promise<TokenizerParts> {
  const bos = tokenizer.specialTokenId("bos_token") ?? idOf(config.bos_token_id);
  const eos = tokenizer.specialTokenId("eos_token") ?? idOf(config.eos_token_id);
  const eot = turnEnd(tokenizer, endsOf(folder, config), eos);
  const unknown = tokenizer.specialTokenId("unk_token");
  const padding = tokenizer.padTokenId ?? idOf(config.pad_token_id);
  return {
    path: folder,
    json: tokenizer.json as JsonObject,
    roles: Object.fromEntries(Object.entries({ bos, eos, eot, unknown, padding }).filter(([, id]) => id !== undefined)),
    addsBos: isAdded(await tokenizer.frontIds(), bos, "before"),
    addsEos: isAdded(await tokenizer.backIds(), eos, "after"),
    chatTemplate: tokenizer.chatTemplateText,
  };
}

function isAdded(ids: readonly number[], token: number | undefined, where: string): boolean {
  if (ids.length === 0) return false;
  if (ids.length === 1 && ids[0] === token) return true;
  const role = where === "before" ? "bos_token" : "eos_token";
  throw exportError(
    `its tokenizer puts tokens ${ids.join(", ")} ${where} a text; llama.cpp can put the ${role} there alone.`,
  );
}

const idOf = (id: unknown): number | undefined => (typeof id === "number" ? id : undefined);

/** The tokens at which generation ends, as the model's files list them. */
function endsOf(folder: string, config: JsonObject): unknown[] {
  const path = join(folder, "generation_config.json");
  const ends = (existsSync(path) ? readJsonObject(path).eos_token_id : undefined) ?? config.eos_token_id;
  return Array.isArray(ends) ? ends : [ends];
}

/** The other one of them, where its name says that it ends a turn. */
function turnEnd(tokenizer: Tokenizer, ends: readonly unknown[], eos: number | undefined): number | undefined {
  const others = ends.filter((id) => typeof id === "number").filter((id) => id !== eos);
  return others.find((id) => TURN_ENDS.includes(tokenizer.tokenText(id) ?? ""));
}

/** The texts of the tokens at which an answer ends. */
export function stopsOf(tokenizer: Tokenizer, { roles }: TokenizerParts): string[] {
  const ids = [roles.eos, roles.eot].filter((id) => id !== undefined);
  return ids.flatMap((id) => tokenizer.tokenText(id) ?? []);
}
