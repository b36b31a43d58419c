// Builds the tokenizer.json that transformers would have written for older folders, which have vocabulary files only.
import { join } from "node:path";
import { BidoraError, readTextFile } from "../base/index.js";
import { type JsonObject, readJsonObject, readOptionalJsonObject } from "../base/records/index.js";
import { byteLevelBpe, templateProcessing } from "./tokenizerJson.js";
import {
  BERT,
  type DefaultTokens,
  ESM,
  GPT2,
  ROBERTA,
  type SpecialToken,
  type TokenizerSettings,
} from "./tokenizerSettings.js";
/** A tokenizer.json for BERT's WordPiece, from `vocab.txt`. */
export async function wordPiece(folder: string, settings: TokenizerSettings): Promise<JsonObject> {
  const lines = readTextFile(join(folder, "vocab.txt"), "TOKENIZER").split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  const vocab = new Map(lines.map((token, id) => [token, id]));
  const special = roles(BERT, settings);
  const { idOf, added } = await addedTokens(folder, vocab, special, settings);
  const [cls, sep] = [special.get("cls_token")!, special.get("sep_token")!];
  const unknown = special.get("unk_token");
  const { config } = settings;
  return {
    version: "1.0",
    added_tokens: added,
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", cls: [cls, idOf(cls)], sep: [sep, idOf(sep)] },
    model: {
      type: "WordPiece",
      ...(unknown !== undefined && { unk_token: unknown }),
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}

/** A tokenizer.json for RoBERTa's or GPT-2's byte-level BPE, from `vocab.json` and `merges.txt`. */
export async function byteLevel(folder: string, settings: TokenizerSettings): Promise<JsonObject> {
  const vocab = new Map(Object.entries(readJsonObject(join(folder, "vocab.json"), "TOKENIZER")) as [string, number][]);
  const roberta = isRoberta(settings.kind, vocab);
  const special = roles(roberta ? ROBERTA : GPT2, settings);
  const { idOf, added } = await addedTokens(folder, vocab, special, settings);
  const addPrefixSpace = settings.config.add_prefix_space ?? false;
  const [cls, sep] = [special.get("cls_token") ?? "", special.get("sep_token") ?? ""];
  return {
    version: "1.0",
    added_tokens: added,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: true, use_regex: true },
    post_processor: roberta
      ? {
          type: "RobertaProcessing",
          cls: [cls, idOf(cls)],
          sep: [sep, idOf(sep)],
          trim_offsets: settings.config.trim_offsets ?? true,
          add_prefix_space: addPrefixSpace,
        }
      : aroundTexts(special, idOf, settings),
    ...byteLevelBpe({ vocab: Object.fromEntries(vocab), merges: await readMerges(join(folder, "merges.txt")) }),
  };
}

/** The special tokens that a decoder's settings add around a text. As in transformers, they have no effect if there is a tokenizer.json. */
function aroundTexts(
  special: ReadonlyMap<SpecialToken, string>,
  idOf: (token: string) => number,
  { config }: TokenizerSettings,
): JsonObject | null {
  const [start, end] = (["bos", "eos"] as const).map((role) =>
    config[`add_${role}_token`] === true ? special.get(`${role}_token`) : undefined,
  );
  return start === undefined && end === undefined ? null : templateProcessing({ start, end }, idOf);
}

/** By the name of the class or model; if neither is known, by RoBERTa's special tokens in the vocabulary. */
function isRoberta(kind: string | undefined, vocab: ReadonlyMap<string, number>): boolean {
  if (kind !== undefined && /roberta|bart|longformer/i.test(kind)) return true;
  if (kind !== undefined && /gpt|^opt$/i.test(kind)) return false;
  return vocab.has("<s>") && vocab.has("</s>");
}

/** The special tokens by role: those of the folder, else the defaults. */
function roles(defaults: DefaultTokens, settings: TokenizerSettings): ReadonlyMap<SpecialToken, string> {
  const named = [...settings.specialTokens].map(([role, token]) => [role, token.content] as const);
  return new Map([...(Object.entries(defaults) as [SpecialToken, string][]), ...named]);
}

/** Tokens that are matched before a text is split. They keep their ids in the vocabulary; others get ids after it. */
async function addedTokens(
  folder: string,
  vocab: ReadonlyMap<string, number>,
  special: ReadonlyMap<SpecialToken, string>,
  settings: TokenizerSettings,
) {
  const later = Object.entries(readOptionalJsonObject(join(folder, "added_tokens.json"), "TOKENIZER")) as [
    string,
    number,
  ][];
  const ids = new Map([...vocab, ...later]);
  const plain = { single_word: false, lstrip: false, rstrip: false };
  const flags = new Map<string, JsonObject>(
    later.map(([token]) => [token, { ...plain, normalized: true, special: false }]),
  );
  const asSpecial = { ...plain, normalized: false, special: true };
  for (const content of special.values()) flags.set(content, asSpecial);
  for (const token of [...settings.extraTokens, ...settings.specialTokens.values()]) {
    flags.set(token.content, { ...asSpecial, ...token.flags });
  }
  for (const content of flags.keys()) if (!ids.has(content)) ids.set(content, ids.size);
  const added = [...flags]
    .map(([content, given]) => ({ id: ids.get(content)!, content, ...given }))
    .sort((a, b) => a.id - b.id);
  return { idOf: (token: string) => ids.get(token)!, added };
}

async function readMerges(file: string): Promise<[string, string][]> {
  const lines = readTextFile(file, "TOKENIZER").split(/\r?\n/);
  const merges: [string, string][] = [];
  for (const [i, line] of lines.entries()) {
    if (line === "" || line.startsWith("#version")) continue;
    const [left, right, ...rest] = line.split(" ");
    if (left === undefined || right === undefined || rest.length > 0) {
      throw new BidoraError("TOKENIZER", `${file} line ${i + 1} must have two tokens with a space between them.`);
    }
    merges.push([left, right]);
  }
  return merges;
}

/** Whether a folder's vocab.txt is ESM's, by the name of the class or model. */
export const isEsm = ({ kind }: TokenizerSettings): boolean => /^esm(tokenizer)?$/i.test(kind ?? "");

/**
 * A tokenizer.json for ESM's protein letters, from `vocab.txt`. Each token is matched anywhere in a text, the longest first; the
 * rest is unknown, one token for each stretch without white space.
 */
export async function proteinLetters(folder: string, settings: TokenizerSettings): Promise<JsonObject> {
  if (settings.config.eos_token === null)
    throw new BidoraError("TOKENIZER", `${folder}/tokenizer_config.json: eos_token null is not supported for ESM.`);
  const text = readTextFile(join(folder, "vocab.txt"), "TOKENIZER");
  const lines = text.replace(LINE_END_AT_END, "").split(LINE_END);
  const vocab = new Map(lines.map((line, id) => [line.trim(), id]));
  const special = roles(ESM, settings);
  const { idOf, added } = await addedTokens(folder, vocab, special, settings);
  const [cls, eos] = [special.get("cls_token")!, special.get("eos_token")!];
  const unknown = special.get("unk_token");
  return {
    version: "1.0",
    added_tokens: added,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: WHITE_SPACE }, behavior: "Removed", invert: false },
        { type: "Split", pattern: { Regex: anyOf([...vocab.keys()]) }, behavior: "Isolated", invert: false },
      ],
    },
    post_processor: { type: "BertProcessing", cls: [cls, idOf(cls)], sep: [eos, idOf(eos)] },
    model: {
      type: "WordLevel",
      ...(unknown !== undefined && { unk_token: unknown }),
      vocab: Object.fromEntries(vocab),
    },
  };
}

// As in Python's str.splitlines and str.split.
const LINE_END = /\r\n|[\n\r\v\f\x85\u2028\u2029]/;
const LINE_END_AT_END = new RegExp(`(?:${LINE_END.source})$`);
const WHITE_SPACE = "[\\s\\x{1C}-\\x{1F}]+";

/** An expression that matches the longest possible token. */
function anyOf(tokens: readonly string[]): string {
  const longestFirst = tokens.filter((token) => token !== "").sort((a, b) => b.length - a.length);
  return longestFirst.map((token) => token.replace(/[^\p{L}\p{N}]/gu, "\\$&")).join("|");
}
