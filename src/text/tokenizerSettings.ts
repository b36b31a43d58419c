import { join } from "node:path";
import { isJsonObject, type JsonObject, readOptionalJsonObject } from "../files/json.js";
import { decoderTokens } from "./defaultTokens.js";
import { readOptionalText } from "./files.js";

export const SPECIAL_TOKENS = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
] as const;

export type SpecialToken = (typeof SPECIAL_TOKENS)[number];

/** A token that is found in a text before it is split, with the flags that tokenizer.json has for it. */
export interface AddedToken {
  readonly content: string;
  readonly flags: JsonObject;
}

/** What stands beside the vocabulary: tokenizer_config.json, special_tokens_map.json and the model's config.json. */
export interface TokenizerSettings {
  readonly config: JsonObject;
  /** Special tokens by their role, as far as the files name them. */
  readonly specialTokens: ReadonlyMap<SpecialToken, AddedToken>;
  /** Further tokens beside the roles: `additional_special_tokens`, and `added_tokens_decoder` in the order of its ids. */
  readonly extraTokens: readonly AddedToken[];
  /** The tokenizer's class without `Fast`, or else the model's type: `BertTokenizer`, `roberta`. */
  readonly kind: string | undefined;
  /** The class that is named, without `Fast`, and the model's type. */
  readonly className: string | undefined;
  readonly modelType: string | undefined;
  /** The class named is one of the general ones, which take tokenizer.json as it is. */
  readonly isGeneral: boolean;
  /** What chat_template.jinja holds, if there is one. */
  readonly chatTemplate: string | undefined;
}

/** @throws BidoraError if one of the files is there but not JSON. */
export async function readTokenizerSettings(folder: string): Promise<TokenizerSettings> {
  const config = readOptionalJsonObject(join(folder, "tokenizer_config.json"), "TOKENIZER");
  const map = readOptionalJsonObject(join(folder, "special_tokens_map.json"), "TOKENIZER");
  const model = readOptionalJsonObject(join(folder, "config.json"), "TOKENIZER");
  const specialTokens = new Map<SpecialToken, AddedToken>();
  for (const role of SPECIAL_TOKENS) {
    const token = addedToken(config[role]) ?? addedToken(map[role]);
    if (token !== undefined) specialTokens.set(role, token);
  }
  const classes = [config.tokenizer_class, model.tokenizer_class];
  const named = classes.find((name) => typeof name === "string");
  const kind = [...classes, model.model_type].find(isTelling);
  return {
    config,
    specialTokens,
    extraTokens: extraTokens(config, map),
    kind: kind?.replace(/Fast$/, ""),
    className: named?.replace(/Fast$/, ""),
    modelType: typeof model.model_type === "string" ? model.model_type : undefined,
    isGeneral: isGeneral(named),
    chatTemplate: await readOptionalText(folder, "chat_template.jinja"),
  };
}

/** The token of a role as the folder names it, else as the tokenizer's class in transformers does. */
export function specialToken(settings: TokenizerSettings, role: SpecialToken): string | undefined {
  const named = settings.specialTokens.get(role)?.content;
  return named ?? (settings.isGeneral ? undefined : decoderTokens(settings.kind)[role]);
}

/** The general classes say nothing of the kind. */
function isTelling(kind: unknown): kind is string {
  return typeof kind === "string" && !isGeneral(kind);
}

function isGeneral(name: unknown): boolean {
  return typeof name === "string" && /^(PreTrainedTokenizer|TokenizersBackend)/.test(name);
}

/** A token stands in these files as a string, or as an object with its `content` and flags. */
function addedToken(value: unknown): AddedToken | undefined {
  if (typeof value === "string") return { content: value, flags: {} };
  if (!isJsonObject(value) || typeof value.content !== "string") return undefined;
  const { content, __type: _, ...flags } = value;
  return { content: value.content, flags };
}

function extraTokens(config: JsonObject, map: JsonObject): AddedToken[] {
  const decoder = isJsonObject(config.added_tokens_decoder) ? Object.values(config.added_tokens_decoder) : [];
  const listed = config.additional_special_tokens ?? config.extra_special_tokens ?? map.additional_special_tokens;
  return [...decoder, ...(Array.isArray(listed) ? listed : [])].map(addedToken).filter((t) => t !== undefined);
}
