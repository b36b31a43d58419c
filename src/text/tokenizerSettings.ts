// A tokenizer's settings apart from its vocabulary, with the defaults of its class in transformers.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError, readTextFile } from "../base/index.js";
import { isJsonObject, type JsonObject, type JsonValue, readOptionalJsonObject } from "../base/records/index.js";
import type { Side } from "./layout.js";

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

/** A token that is matched in a text before the text is split, with its flags as in tokenizer.json. */
interface AddedToken {
  readonly content: string;
  readonly flags: JsonObject;
}

/** From tokenizer_config.json, special_tokens_map.json, added_tokens.json and the model's config.json. */
export interface TokenizerSettings {
  readonly config: JsonObject;
  /** The tokens of `added_tokens_decoder`, else of added_tokens.json, in the order of their ids. */
  readonly addedTokens: readonly AddedToken[];
  /** The special tokens that the files name, by role. */
  readonly specialTokens: ReadonlyMap<SpecialToken, AddedToken>;
  /** Special tokens with a role of the model's own (`image_token`), or with none (`additional_special_tokens`). */
  readonly extraTokens: readonly AddedToken[];
  /** The tokenizer's class without `Fast`, or else the model's type: `BertTokenizer`, `roberta`. */
  readonly kind: string | undefined;
  readonly modelType: string | undefined;
  /** Whether the class is a general one, which uses tokenizer.json unchanged. */
  readonly isGeneral: boolean;
  /** The contents of chat_template.jinja, if there is one. */
  readonly chatTemplate: string | undefined;
}

/** @throws BidoraError if one of the files is not JSON */
export async function readTokenizerSettings(folder: string): Promise<TokenizerSettings> {
  const read = (name: string) => readOptionalJsonObject(join(folder, name), "TOKENIZER");
  const [config, model] = [read("tokenizer_config.json"), read("config.json")];
  const isComplete = config.added_tokens_decoder !== undefined;
  const map = isComplete ? {} : read("special_tokens_map.json");
  const specialTokens = new Map<SpecialToken, AddedToken>();
  for (const role of SPECIAL_TOKENS) {
    const token = addedToken(map[role] ?? config[role]);
    if (token !== undefined) specialTokens.set(role, token);
  }
  const extraTokens = extraTokensOf(config, map);
  const specials = [...specialTokens.values(), ...extraTokens];
  const { model_type: modelType } = model;
  return {
    config,
    addedTokens: isComplete ? tokensIn(config.added_tokens_decoder) : olderTokens(read("added_tokens.json"), specials),
    specialTokens,
    extraTokens,
    ...classOf([config.tokenizer_class, model.tokenizer_class], modelType),
    modelType: typeof modelType === "string" ? modelType : undefined,
    chatTemplate: await readOptionalText(folder, "chat_template.jinja"),
  };
}

/** Model types whose class transformers takes instead of another one that is named. */
const OWN_CLASSES: ReadonlyMap<unknown, string> = new Map([["qwen2", "Qwen2Tokenizer"]]);

function classOf(classes: readonly unknown[], modelType: unknown): Pick<TokenizerSettings, "kind" | "isGeneral"> {
  const named = classes.find((name) => typeof name === "string");
  const own = isGeneral(named) ? undefined : OWN_CLASSES.get(modelType);
  const kind = [own, ...classes, modelType].find(isSpecific);
  return { kind: kind?.replace(/Fast$/, ""), isGeneral: isGeneral(named) };
}

/** The token of a role: from the files, else the default of the tokenizer's class in transformers. */
export function specialToken(settings: TokenizerSettings, role: SpecialToken): string | undefined {
  const named = settings.specialTokens.get(role)?.content;
  return named ?? (settings.isGeneral ? undefined : decoderTokens(settings.kind)[role]);
}

/** The special tokens by role: those of the folder, else the defaults. */
export function roles(defaults: DefaultTokens, settings: TokenizerSettings): ReadonlyMap<SpecialToken, string> {
  const named = [...settings.specialTokens].map(([role, token]) => [role, token.content] as const);
  return new Map([...(Object.entries(defaults) as [SpecialToken, string][]), ...named]);
}

/** Whether a name says more than a general class does. */
function isSpecific(kind: unknown): kind is string {
  return typeof kind === "string" && !isGeneral(kind);
}

function isGeneral(name: unknown): boolean {
  return typeof name === "string" && /^(PreTrainedTokenizer|TokenizersBackend)/.test(name);
}

/** The files have a token as a string, or as an object with its `content` and flags. */
function addedToken(value: unknown): AddedToken | undefined {
  if (typeof value === "string") return { content: value, flags: {} };
  if (!isJsonObject(value) || typeof value.content !== "string") return undefined;
  const { content, __type: _, ...flags } = value;
  return { content: value.content, flags };
}

/** The tokens in a list, or in an object by any name. */
function tokensIn(given: unknown): AddedToken[] {
  const values = isJsonObject(given) ? Object.values(given) : Array.isArray(given) ? given : [];
  return values.map(addedToken).filter((token) => token !== undefined);
}

/** `extra_special_tokens` is the later name of `additional_special_tokens`. */
function extraTokensOf(config: JsonObject, map: JsonObject): AddedToken[] {
  const later = tokensIn(config.extra_special_tokens);
  const earlier = tokensIn(config.additional_special_tokens ?? map.additional_special_tokens);
  const listed = later.length > 0 ? later : earlier;
  return [...tokensIn(ownRoles(config, map)), ...listed, ...tokensIn(map.extra_special_tokens)];
}

/** Tokens with a role that only some models have, such as `image_token`. Those of tokenizer_config.json without flags come last. */
function ownRoles(config: JsonObject, map: JsonObject): readonly JsonValue[] {
  const isOwn = (key: string) => key.endsWith("_token") && !(SPECIAL_TOKENS as readonly string[]).includes(key);
  const valuesIn = (settings: JsonObject) =>
    Object.keys(settings).flatMap((key) => (isOwn(key) ? [settings[key]!] : []));
  const isText = (value: JsonValue) => typeof value === "string";
  const own = valuesIn(config);
  return [...own.filter((value) => !isText(value)), ...valuesIn(map), ...own.filter(isText)];
}

/** The tokens of added_tokens.json, which has the id of each. */
function olderTokens(ids: JsonObject, specials: readonly AddedToken[]): AddedToken[] {
  const byId = Object.entries(ids).sort(([, a], [, b]) => Number(a) - Number(b));
  return byId.map(([content]) => {
    const special = specials.some((token) => token.content === content);
    return { content, flags: { single_word: false, lstrip: false, rstrip: false, normalized: !special, special } };
  });
}

export const TOKEN_TYPES = "token_type_ids";

/** Tokenizer classes and model types that have token types by default, without `Tokenizer` and punctuation. */
const TYPED = new Set(["bert", "convbert", "electra", "deberta", "debertav2"]);

/**
 * The inputs of the model: those listed in tokenizer_config.json, else those of the tokenizer's class in transformers. General classes
 * have no token types.
 * @throws BidoraError `TOKENIZER` for a list of the wrong type
 */
export function modelInputNames({ config, kind, isGeneral }: TokenizerSettings, model: unknown): readonly string[] {
  const { model_input_names: listed } = config;
  if (listed !== undefined && listed !== null) return requireNames(listed);
  const named = kind ?? (model === "WordPiece" ? "bert" : "");
  const isTyped = !isGeneral && TYPED.has(named.replace(/Tokenizer$|[-_]/g, "").toLowerCase());
  return ["input_ids", ...(isTyped ? [TOKEN_TYPES] : []), "attention_mask"];
}

function requireNames(listed: unknown): readonly string[] {
  if (Array.isArray(listed) && listed.every((name) => typeof name === "string")) return listed;
  throw new BidoraError(
    "TOKENIZER",
    `tokenizer_config.json: model_input_names must be a list of names, but is ${JSON.stringify(listed)}.`,
  );
}

export type DefaultTokens = Readonly<Partial<Record<SpecialToken, string>>>;

export const BERT: DefaultTokens = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};
export const DEBERTA_V2: DefaultTokens = { bos_token: "[CLS]", eos_token: "[SEP]", ...BERT };
export const ROBERTA: DefaultTokens = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: "<mask>",
};
export const MPNET: DefaultTokens = { ...ROBERTA, unk_token: "[UNK]" };
export const ESM: DefaultTokens = {
  unk_token: "<unk>",
  cls_token: "<cls>",
  pad_token: "<pad>",
  mask_token: "<mask>",
  eos_token: "<eos>",
};
export const GPT2: DefaultTokens = {
  bos_token: "<|endoftext|>",
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
};
export const LLAMA: DefaultTokens = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
export const QWEN2: DefaultTokens = {
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
  pad_token: "<|endoftext|>",
};
export const GEMMA: DefaultTokens = {
  bos_token: "<bos>",
  eos_token: "<eos>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  mask_token: "<mask>",
};

/** By the class's name or the model's type, without `Tokenizer` and punctuation. */
const DECODERS: ReadonlyMap<string, DefaultTokens> = new Map([
  ["gpt2", GPT2],
  ["llama", LLAMA],
  ["mistral", LLAMA],
  ["phi3", LLAMA],
  ["qwen2", QWEN2],
  ["qwen3", QWEN2],
  ["gemma", GEMMA],
  ["gemma2", GEMMA],
  ["gemma3text", GEMMA],
]);

/** The default special tokens of a decoder's tokenizer in transformers. */
function decoderTokens(kind: string | undefined): DefaultTokens {
  return DECODERS.get((kind ?? "").replace(/Tokenizer$|[-_]/g, "").toLowerCase()) ?? {};
}

/** The limit on tokens; undefined for none, which transformers writes as 1e30. */
export function modelMaxLength(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && value >= 1) return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
  throw new BidoraError(
    "TOKENIZER",
    `tokenizer_config.json: model_max_length must be a number of at least 1, but is ${JSON.stringify(value)}.`,
  );
}

/** The side of a text that is truncated: as tokenizer_config.json says, else tokenizer.json. */
export function truncationSide({ config }: TokenizerSettings, { truncation }: JsonObject): Side {
  const { direction } = isJsonObject(truncation) ? truncation : {};
  const side = config.truncation_side ?? (direction === "Left" ? "left" : "right");
  if (side === "right" || side === "left") return side;
  throw new BidoraError(
    "TOKENIZER",
    `tokenizer_config.json: truncation_side must be right or left, but is ${JSON.stringify(side)}.`,
  );
}

/** The contents of a text file in the model folder, if there is one. */
async function readOptionalText(folder: string, name: string): Promise<string | undefined> {
  if (!(await readdir(folder)).includes(name)) return undefined;
  return readTextFile(join(folder, name), "TOKENIZER");
}
