// A tokenizer's settings apart from its vocabulary, with the defaults of its class in transformers.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError, readTextFile } from "../base/index.js";
import { isJsonObject, type JsonObject, readOptionalJsonObject } from "../base/records/index.js";
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

/** From tokenizer_config.json, special_tokens_map.json and the model's config.json. */
export interface TokenizerSettings {
  readonly config: JsonObject;
  /** The special tokens that the files name, by role. */
  readonly specialTokens: ReadonlyMap<SpecialToken, AddedToken>;
  /** Tokens without a role: `additional_special_tokens`, and `added_tokens_decoder` in the order of its ids. */
  readonly extraTokens: readonly AddedToken[];
  /** The tokenizer's class without `Fast`, or else the model's type: `BertTokenizer`, `roberta`. */
  readonly kind: string | undefined;
  /** The tokenizer's class without `Fast`, and the model's type. */
  readonly className: string | undefined;
  readonly modelType: string | undefined;
  /** Whether the class is a general one, which uses tokenizer.json unchanged. */
  readonly isGeneral: boolean;
  /** The contents of chat_template.jinja, if there is one. */
  readonly chatTemplate: string | undefined;
}

/** @throws BidoraError if one of the files is not JSON */
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
  const kind = [...classes, model.model_type].find(isSpecific);
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

/** The token of a role: from the files, else the default of the tokenizer's class in transformers. */
export function specialToken(settings: TokenizerSettings, role: SpecialToken): string | undefined {
  const named = settings.specialTokens.get(role)?.content;
  return named ?? (settings.isGeneral ? undefined : decoderTokens(settings.kind)[role]);
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

function extraTokens(config: JsonObject, map: JsonObject): AddedToken[] {
  const decoder = isJsonObject(config.added_tokens_decoder) ? Object.values(config.added_tokens_decoder) : [];
  const listed = config.additional_special_tokens ?? config.extra_special_tokens ?? map.additional_special_tokens;
  return [...decoder, ...(Array.isArray(listed) ? listed : [])].map(addedToken).filter((t) => t !== undefined);
}

export const TOKEN_TYPES = "token_type_ids";

/** Tokenizer classes and model types that have token types by default, without `Tokenizer` and punctuation. */
const TYPED = new Set(["bert", "electra", "deberta", "debertav2"]);

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
export const ROBERTA: DefaultTokens = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: "<mask>",
};
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
const LLAMA: DefaultTokens = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
const QWEN: DefaultTokens = { eos_token: "<|endoftext|>", unk_token: "<|endoftext|>", pad_token: "<|endoftext|>" };
const GEMMA: DefaultTokens = { bos_token: "<bos>", eos_token: "<eos>", unk_token: "<unk>", pad_token: "<pad>" };

/** By the class's name or the model's type, without `Tokenizer` and punctuation. */
const DECODERS: ReadonlyMap<string, DefaultTokens> = new Map([
  ["gpt2", GPT2],
  ["llama", LLAMA],
  ["mistral", LLAMA],
  ["phi3", LLAMA],
  ["qwen2", QWEN],
  ["qwen3", QWEN],
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

export function truncationSide({ config }: TokenizerSettings): Side {
  const side = config.truncation_side ?? "right";
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
