// Builds the tokenizer.json that transformers would have written for older folders, which have vocabulary files only.
import { join } from "node:path";
import { BidoraError, readTextFile } from "../base/index.js";
import { type JsonObject, readJsonObject, readOptionalJsonObject } from "../base/records/index.js";
import { rebuilt, type TokenizerClass, tokenizerClass } from "./tokenizerClasses.js";
import { templateProcessing } from "./tokenizerJson.js";
import { ESM, roles, type SpecialToken, type TokenizerSettings } from "./tokenizerSettings.js";

/**
 * A tokenizer.json for the WordPiece of BERT or MPNet, from `vocab.txt`.
 * @throws BidoraError `TOKENIZER` for a class that splits texts differently or has other pieces
 */
export async function wordPiece(folder: string, settings: TokenizerSettings): Promise<JsonObject> {
  const of = requireClass(folder, "vocab.txt", settings.kind ?? "bert");
  const lines = readTextFile(join(folder, "vocab.txt"), "TOKENIZER").split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  const vocab = new Map(lines.map((token, id) => [token, id]));
  const { added } = await addedTokens(folder, vocab, of, settings);
  return rebuilt(of, { version: "1.0", added_tokens: added, model: { vocab: Object.fromEntries(vocab) } }, settings);
}

/**
 * A tokenizer.json for the byte-level BPE of RoBERTa, GPT-2 or Qwen, from `vocab.json` and `merges.txt`.
 * @throws BidoraError `TOKENIZER` for another class
 */
export async function byteLevel(folder: string, settings: TokenizerSettings): Promise<JsonObject> {
  const vocab = new Map(Object.entries(readJsonObject(join(folder, "vocab.json"), "TOKENIZER")) as [string, number][]);
  const isRoberta = vocab.has("<s>") && vocab.has("</s>");
  const of = requireClass(folder, "vocab.json", settings.kind ?? (isRoberta ? "roberta" : "gpt2"));
  const special = roles(of.defaults, settings);
  const { idOf, added } = await addedTokens(folder, vocab, of, settings);
  const model = { vocab: Object.fromEntries(vocab), merges: await readMerges(join(folder, "merges.txt")) };
  const post_processor = aroundTexts(special, idOf, settings);
  return rebuilt(of, { version: "1.0", added_tokens: added, post_processor, model }, settings);
}

function requireClass(folder: string, file: keyof typeof KINDS, kind: string): TokenizerClass {
  const found = tokenizerClass(kind);
  if (found?.vocabulary === file) return found;
  throw new BidoraError(
    "TOKENIZER",
    `${folder} has a ${file} for ${kind}, which is not ${KINDS[file]}; a tokenizer.json is needed, which ` +
      "transformers' save_pretrained writes if the class supports it.",
  );
}

/** Whose vocabulary a file may be. */
const KINDS = {
  "vocab.txt": "BERT's WordPiece",
  "vocab.json": "the byte-level BPE of RoBERTa, GPT-2 or Qwen",
} as const;

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

const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** Tokens that are matched before a text is split. They keep their ids in the vocabulary; others get ids after it. */
async function addedTokens(
  folder: string,
  vocab: ReadonlyMap<string, number>,
  { defaults, masksSpace = false }: Pick<TokenizerClass, "defaults" | "masksSpace">,
  settings: TokenizerSettings,
) {
  const later = Object.entries(readOptionalJsonObject(join(folder, "added_tokens.json"), "TOKENIZER")) as [
    string,
    number,
  ][];
  const ids = new Map([...vocab, ...later]);
  const flags = new Map<string, JsonObject>();
  const add = (content: string, given: JsonObject) => {
    if (!flags.has(content)) flags.set(content, { ...SPECIAL, ...given });
  };
  for (const token of settings.addedTokens) add(token.content, token.flags);
  for (const [role, content] of roles(defaults, settings)) {
    const lstrip = role === "mask_token" && masksSpace;
    add(content, { lstrip, ...settings.specialTokens.get(role)?.flags });
  }
  for (const token of settings.extraTokens) add(token.content, token.flags);
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
  const { idOf, added } = await addedTokens(folder, vocab, { defaults: ESM }, settings);
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
