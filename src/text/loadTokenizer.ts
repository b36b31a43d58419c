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
import { type JsonObject, readJsonObject } from "../base/records/index.js";
import { nativeText } from "./native.js";
import { Tokenizer } from "./tokenizer.js";
import { classFor, rebuilt } from "./tokenizerClasses.js";
import { addedTokensOf, tokenIds } from "./tokenizerJson.js";
import { type DefaultTokens, readTokenizerSettings, type TokenizerSettings } from "./tokenizerSettings.js";
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
    return asTransformers(readJsonObject(join(folder, "tokenizer.json"), "TOKENIZER"), settings);
  }
  if (files.includes("vocab.txt")) {
    return isEsm(settings) ? proteinLetters(folder, settings) : wordPiece(folder, settings);
  }
  if (files.includes("vocab.json") && files.includes("merges.txt")) return byteLevel(folder, settings);
  throw new BidoraError(
    "TOKENIZER",
    `${folder} has no tokenizer: expected tokenizer.json, or vocab.txt, or vocab.json with merges.txt. ` +
      "If transformers can open the folder, its save_pretrained writes a tokenizer.json.",
  );
}

/** The tokenizer that transformers makes of a tokenizer.json: the whole file, or what its class takes of it. */
function asTransformers(spec: JsonObject, settings: TokenizerSettings): JsonObject {
  const found = classFor(spec, settings);
  if (!found) return withTokens(spec, settings);
  return rebuilt(found, withTokens(spec, settings, found.defaults), settings);
}

/**
 * Adds the tokens that other files and the class name after those of tokenizer.json; tokens not in the vocabulary get new ids. Flags in
 * `added_tokens_decoder` take precedence over those in tokenizer.json.
 */
function withTokens(spec: JsonObject, settings: TokenizerSettings, defaults: DefaultTokens = {}): JsonObject {
  const { config, addedTokens, specialTokens, extraTokens } = settings;
  const decoded = config.added_tokens_decoder === undefined ? [] : addedTokens;
  const flagsOf = new Map(decoded.map(({ content, flags }) => [content, flags]));
  const listed = addedTokensOf(spec).map((token) => ({ ...token, ...flagsOf.get(String(token.content)) }));
  const known = new Set<unknown>(listed.map(({ content }) => content));
  const usual = Object.entries(defaults).filter(([role]) => config[role] === undefined);
  const named = [
    ...addedTokens,
    ...specialTokens.values(),
    ...usual.map(([, content]) => ({ content, flags: {} })),
    ...extraTokens,
  ];
  if (named.every(({ content }) => known.has(content))) return { ...spec, added_tokens: listed };
  const ids = tokenIds(spec);
  let next = 1 + [...ids.values()].reduce((most, id) => Math.max(most, id), -1);
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = named.flatMap(({ content, flags }) => {
    if (known.has(content)) return [];
    known.add(content);
    return [{ id: ids.get(content) ?? next++, content, ...plain, ...flags }];
  });
  return { ...spec, added_tokens: [...listed, ...added] };
}
