// Where a long text can be split without changing its tokens.
import { isJsonObject, type JsonObject } from "../base/records/index.js";
import { addedTokensOf, stepsOf } from "./tokenizerJson.js";

/** Places at which a text may be split so that its parts have the tokens of the whole text. */
export interface Boundaries {
  /** The first such place from `from` on, or -1. */
  next(text: string, from: number): number;
  /** A shorter text with the same tokens: long stretches that become one token or none are shortened. */
  condense(text: string): string;
  /** Whether texts consist of BERT's words, so that it is quick to tokenize each distinct one once. */
  readonly hasPlainWords: boolean;
}

/*
 * A text is split before a space with a letter, digit or ASCII punctuation on either side. Every pre-tokenizer below ends a word
 * there, models never look beyond a word, and the normalizers below change no character depending on what is beyond a space: spaces
 * are neither composed nor reordered, and a letter before a space is in another grapheme (except for a few rare letters, excluded).
 */
const LETTER = "[\\p{L}\\p{N}!-~]";
const BEFORE = `(?<=${LETTER})(?<![\\u0D4E\\u{11000}-\\u{11FFF}])`;
const AT_SPACE = `${BEFORE}(?= ${LETTER})`;
const AT_SPACE_OR_LINE = `${BEFORE}(?=[ \\n]${LETTER})`;
/** BERT's normalizer puts a space around each of these characters. */
const BETWEEN_IDEOGRAPHS = "(?<=[\\u4E00-\\u9FFF])(?=[\\u4E00-\\u9FFF])";

const MARKS = Array.from("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

const NORMALIZERS = ["BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Precompiled", "StripAccents"];
const PRE_TOKENIZERS = ["BertPreTokenizer", "ByteLevel", "Digits", "Metaspace", "Punctuation", "Whitespace"].concat(
  "WhitespaceSplit",
);
const MODELS = ["BPE", "Unigram", "WordLevel", "WordPiece"];

/** The boundaries for a tokenizer.json; undefined for a tokenizer of an unknown kind. */
export function boundariesOf(spec: JsonObject): Boundaries | undefined {
  const normalizers = stepsOf(spec.normalizer, "normalizers");
  const preTokenizers = stepsOf(spec.pre_tokenizer, "pretokenizers");
  const { model } = spec;
  const isKnown =
    normalizers.every(({ type }) => NORMALIZERS.includes(String(type))) &&
    preTokenizers.every(({ type }) => PRE_TOKENIZERS.includes(String(type))) &&
    preTokenizers.some(splitsAtSpaces) &&
    isJsonObject(model) &&
    MODELS.includes(String(model.type)) &&
    !model.dropout &&
    addedTokensOf(spec).every(isLocal);
  if (!isKnown) return undefined;
  const pattern = new RegExp(placesOf(spec, normalizers, preTokenizers), "gu");
  return {
    next: (text, from) => {
      pattern.lastIndex = from;
      return pattern.exec(text)?.index ?? -1;
    },
    condense: condenser(spec, normalizers, preTokenizers),
    hasPlainWords: hasPlainWords(spec, normalizers, preTokenizers),
  };
}

function splitsAtSpaces({ type, use_regex, split }: JsonObject): boolean {
  if (type === "ByteLevel") return use_regex !== false;
  return type === "Metaspace" ? split !== false : type !== "Digits" && type !== "Punctuation";
}

function placesOf(spec: JsonObject, normalizers: readonly JsonObject[], preTokenizers: readonly JsonObject[]): string {
  const plain = [...normalizers, ...preTokenizers].some(isOfSpaces);
  const places = [plain ? AT_SPACE : AT_SPACE_OR_LINE];
  const [first] = normalizers;
  const isApart = first?.type === "BertNormalizer" && first.handle_chinese_chars === true && preTokenizers.some(isBert);
  const isFree = addedTokensOf(spec).every(({ content }) => !/[\u4E00-\u9FFF]/.test(String(content)));
  if (isApart && isFree) places.push(BETWEEN_IDEOGRAPHS);
  if (!plain && preTokenizers.some(isBert)) places.push(afterMarks(addedTokensOf(spec)));
  return places.join("|");
}

/** BERT's pre-tokenizer makes a word of each ASCII punctuation mark, except inside an added token. */
function afterMarks(added: readonly JsonObject[]): string {
  const free = MARKS.filter((mark) => added.every(({ content }) => !String(content).includes(mark)));
  return `(?<=[${free.map((mark) => `\\u{${mark.charCodeAt(0).toString(16)}}`).join("")}])(?=${LETTER})`;
}

/** Metaspace splits at spaces only, a character map may replace a line end by anything, and a text's prefix goes before a line end. */
const isOfSpaces = ({ type, add_prefix_space: prefixes }: JsonObject): boolean =>
  type === "Metaspace" || type === "Precompiled" || (type === "ByteLevel" && prefixes !== false);

const isBert = ({ type }: JsonObject): boolean => type === "BertPreTokenizer";

/** Whether an added token never spans a space, normalized or not. */
function isLocal({ content, rstrip, normalized }: JsonObject): boolean {
  return rstrip !== true && (normalized === false ? /^\S+$/ : /^[!-~]+$/).test(String(content));
}

/** Letters and digits that BERT's steps neither remove nor split nor treat as white space. */
const WORD = "[A-Za-z0-9\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u024F\\u0400-\\u0481\\u048A-\\u04FF]";
const MIN_SPACES = 64;
/** JavaScript's regular expressions overflow on matches of millions of characters. */
const MAX_MATCH = 4096;

const hasPlainWords = (
  { model }: JsonObject,
  normalizers: readonly JsonObject[],
  preTokenizers: readonly JsonObject[],
): boolean =>
  (model as JsonObject).type === "WordPiece" &&
  normalizers.every(({ type }) => type === "BertNormalizer") &&
  preTokenizers.every(isBert);

/** BERT makes one unknown token of a word beyond a length, and no token of white space. */
function condenser(
  spec: JsonObject,
  normalizers: readonly JsonObject[],
  preTokenizers: readonly JsonObject[],
): Boundaries["condense"] {
  const { max_input_chars_per_word: longest } = spec.model as JsonObject;
  const hasWords = addedTokensOf(spec).some(({ content }) => new RegExp(`^${WORD}*$`, "u").test(String(content)));
  if (!hasPlainWords(spec, normalizers, preTokenizers) || !Number.isSafeInteger(longest) || hasWords)
    return (text) => text;
  const limit = (longest as number) + 1;
  const words = new RegExp(`(${WORD}{${limit}})${WORD}{1,${MAX_MATCH}}`, "gu");
  const spaces = new RegExp(`[ \\t\\r\\n]{${MIN_SPACES},${MAX_MATCH}}`, "gu");
  return (text) => replaceUntilDone(replaceUntilDone(text, words, "$1"), spaces, " ");
}

function replaceUntilDone(text: string, pattern: RegExp, by: string): string {
  const shorter = text.replace(pattern, by);
  return shorter.length < text.length ? replaceUntilDone(shorter, pattern, by) : text;
}
