// Loads the tokenizer of a model folder.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  aText,
  BidoraError,
  checkArguments,
  optional,
  options as optionsOf,
  readTextFile,
  TOKENIZER_FILES,
  TOKENIZER_SPECS,
  type TokenizerFile,
} from "../base/index.js";
import { isJsonObject, type JsonObject, type JsonValue, readJsonObject } from "../base/records/index.js";
import { nativeText } from "./native.js";
import { Tokenizer } from "./tokenizer.js";
import { addedTokensOf, joinedPieces, metaspace } from "./tokenizerJson.js";
import { readTokenizerSettings, type TokenizerSettings } from "./tokenizerSettings.js";
import { tryTokenizer } from "./trial.js";
import { byteLevel, isEsm, proteinLetters, wordPiece } from "./vocabularyFiles.js";

/** Options of `loadTokenizer`. */
export interface TokenizerOptions {
  /** A file with a chat template that is used instead of the folder's. */
  readonly chatTemplate?: string | undefined;
}

const OPTIONS = optionsOf({ chatTemplate: optional(aText) });

/**
 * Loads `tokenizer.json`, else `vocab.txt` (BERT's WordPiece, ESM) or `vocab.json` with `merges.txt` (byte-level BPE of RoBERTa and GPT-2).
 * @throws BidoraError if the folder has none of these files, or a broken one
 */
export async function loadTokenizer(folder: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
  checkArguments("loadTokenizer", ["folder", folder, aText], ["options", options, OPTIONS]);
  const files = await listTokenizerFiles(folder);
  const { chatTemplate: file } = options;
  const own = await readTokenizerSettings(folder);
  const settings = file === undefined ? own : { ...own, chatTemplate: readTextFile(file, "CHAT_TEMPLATE") };
  refuseSplitSpecials(folder, settings);
  const spec = await readSpec(folder, files, settings);
  const text = nativeText(spec);
  await tryTokenizer(text, join(folder, TOKENIZER_SPECS.find((name) => files.includes(name))!));
  try {
    return new Tokenizer(spec, text, settings, files);
  } catch (cause) {
    if (cause instanceof BidoraError) throw cause;
    throw new BidoraError("TOKENIZER", `The tokenizer in ${folder} is broken: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The names of the tokenizer files in a folder.
 * @throws BidoraError if the folder can't be read
 */
export async function listTokenizerFiles(folder: string): Promise<TokenizerFile[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new BidoraError(
      "TOKENIZER",
      `There is no folder ${folder} to read a tokenizer from: give an existing model folder.`,
      { cause },
    );
  }
  return TOKENIZER_FILES.filter((name) => names.includes(name));
}

function refuseSplitSpecials(folder: string, { config }: TokenizerSettings): void {
  if ((config.split_special_tokens ?? false) === false) return;
  throw new BidoraError(
    "TOKENIZER",
    `${folder}: tokenizer_config.json has split_special_tokens, which splits special tokens in a text like other words; ` +
      "that is not supported: remove it.",
  );
}

async function readSpec(folder: string, files: readonly TokenizerFile[], settings: TokenizerSettings) {
  if (files.includes("tokenizer.json")) {
    return withSettings(readJsonObject(join(folder, "tokenizer.json"), "TOKENIZER"), settings);
  }
  if (files.includes("vocab.txt")) {
    if (isEsm(settings)) return proteinLetters(folder, settings);
    requireWordPiece(folder, settings);
    return wordPiece(folder, settings);
  }
  if (files.includes("vocab.json") && files.includes("merges.txt")) return byteLevel(folder, settings);
  throw new BidoraError(
    "TOKENIZER",
    `${folder} has no tokenizer: expected tokenizer.json, or vocab.txt, or vocab.json with merges.txt. ` +
      "If transformers can open the folder, its save_pretrained writes a tokenizer.json.",
  );
}

/** Classes that are fully described by their vocab.txt. */
const WORD_PIECE = ["bert", "convbert", "distilbert", "electra", "funnel", "layoutlm", "mobilebert", "squeezebert"];

/** Refuses other classes: they split texts differently or have other pieces. */
function requireWordPiece(folder: string, { config }: TokenizerSettings): void {
  const name = config.tokenizer_class;
  if (typeof name !== "string" || WORD_PIECE.includes(name.replace(/Tokenizer(Fast)?$/, "").toLowerCase())) return;
  throw new BidoraError(
    "TOKENIZER",
    `${folder} has a vocab.txt for ${name}, which is not BERT's WordPiece; a tokenizer.json is needed, which ` +
      "transformers' save_pretrained writes if the class supports it.",
  );
}

/** tokenizer.json with the settings of tokenizer_config.json, which take precedence as in transformers, except in a general class. */
function withSettings(spec: JsonObject, settings: TokenizerSettings): JsonObject {
  const { config, isGeneral } = settings;
  if (isGeneral) return withTokens(spec, settings);
  if (isLlama(spec, settings)) return withTokens(llama(spec, config), settings);
  const { normalizer, pre_tokenizer } = spec;
  const changed: Record<string, JsonValue> = { ...spec };
  if (isJsonObject(normalizer) && normalizer.type === "BertNormalizer") {
    const { do_lower_case, strip_accents, tokenize_chinese_chars } = config;
    changed.normalizer = {
      ...normalizer,
      ...(do_lower_case !== undefined && { lowercase: do_lower_case }),
      ...(strip_accents !== undefined && { strip_accents }),
      ...(tokenize_chinese_chars !== undefined && { handle_chinese_chars: tokenize_chinese_chars }),
    };
  }
  if (isJsonObject(pre_tokenizer) && pre_tokenizer.type === "ByteLevel" && config.add_prefix_space !== undefined) {
    changed.pre_tokenizer = { ...pre_tokenizer, add_prefix_space: config.add_prefix_space };
  }
  return withTokens(changed, settings);
}

/** Models whose tokenizer.json transformers uses unchanged, whatever class is named. */
const AS_THEY_ARE: readonly unknown[] = ["mistral", "phi3", "modernbert"];

/** Whether transformers builds the tokenizer from the file's vocabulary only. */
function isLlama({ model, pre_tokenizer }: JsonObject, { className, modelType }: TokenizerSettings): boolean {
  if (className !== "LlamaTokenizer" || AS_THEY_ARE.includes(modelType)) return false;
  return isJsonObject(model) && model.type === "BPE" && !JSON.stringify(pre_tokenizer ?? null).includes("ByteLevel");
}

/** SentencePiece's BPE: `legacy` puts a space also after special tokens, not only before a text. */
function llama(spec: JsonObject, { add_prefix_space, legacy }: JsonObject): JsonObject {
  const prefixes = (add_prefix_space ?? true) !== false;
  const scheme = legacy === true ? "always" : "first";
  return {
    ...spec,
    normalizer: null,
    pre_tokenizer: metaspace(prefixes ? scheme : "never"),
    decoder: joinedPieces(prefixes),
  };
}

/** Adds the tokens that other files name after those of tokenizer.json; tokens not in the vocabulary get new ids. */
function withTokens(spec: JsonObject, { config, specialTokens, extraTokens }: TokenizerSettings): JsonObject {
  const listed = addedTokensOf(spec);
  const vocab = isJsonObject(spec.model) && isJsonObject(spec.model.vocab) ? spec.model.vocab : undefined;
  if (vocab === undefined) return spec;
  const known = new Set(listed.map(({ content }) => content));
  const decoded = isJsonObject(config.added_tokens_decoder) ? Object.keys(config.added_tokens_decoder).length : 0;
  const named = [...extraTokens.slice(0, decoded), ...specialTokens.values(), ...extraTokens.slice(decoded)];
  if (named.every(({ content }) => known.has(content))) return spec;
  const ids = new Map(Object.entries(vocab) as [string, number][]);
  for (const { content, id } of listed) ids.set(String(content), id as number);
  let next = 1 + [...ids.values()].reduce((most, id) => Math.max(most, id), -1);
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = named.flatMap(({ content, flags }) => {
    if (known.has(content)) return [];
    known.add(content);
    return [{ id: ids.get(content) ?? next++, content, ...plain, ...flags }];
  });
  return added.length === 0 ? spec : { ...spec, added_tokens: [...listed, ...added] };
}
