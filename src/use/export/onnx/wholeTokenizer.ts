/** The tokenizer.json that is written: the tokenizer's own, in the parts that transformers.js has. */
import type { JsonObject } from "../../../base/records/index.js";
import type { TextReading } from "../../../formats/index.js";
import { type Tokenizer, templateProcessing } from "../../../text/index.js";

/** The parts that transformers.js wants named, even if there are none. */
const NO_PARTS: JsonObject = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };

/** All of the tokenizer: a model folder may have its vocabulary alone, and settings in other files. */
export function wholeTokenizer({ json }: Tokenizer, reading: TextReading | undefined): JsonObject {
  const whole = { ...NO_PARTS, ...(json as JsonObject) };
  const { model, normalizer, pre_tokenizer, post_processor } = whole as Readonly<Record<string, JsonObject | null>>;
  return {
    ...whole,
    ...(reading?.lowercases && { normalizer: lowercased(normalizer) }),
    pre_tokenizer: pre_tokenizer ? withWords(pre_tokenizer) : null,
    post_processor: withPairs(post_processor),
    model: withUnknown(model as JsonObject),
  };
}

function lowercased(normalizer: JsonObject | null | undefined): JsonObject {
  return { type: "Sequence", normalizers: [{ type: "Lowercase" }, ...(normalizer ? [normalizer] : [])] };
}

const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";

/** What the pre-tokenizer `Whitespace` does. transformers.js's own takes letters outside ASCII for punctuation. */
const WORDS: JsonObject = {
  type: "Split",
  pattern: { Regex: `[${WORD}]+|[^${WORD}\\p{White_Space}]+` },
  behavior: "Removed",
  invert: true,
};

function withWords(preTokenizer: JsonObject): JsonObject {
  const { type, pretokenizers } = preTokenizer;
  if (type === "Sequence") return { ...preTokenizer, pretokenizers: (pretokenizers as JsonObject[]).map(withWords) };
  return type === "Whitespace" ? WORDS : preTokenizer;
}

/** Post-processors that say where the second text of a pair stands. */
const WITH_PAIRS: readonly unknown[] = ["TemplateProcessing", "BertProcessing", "RobertaProcessing"];

/** Without a template, transformers.js gives pairs no token types, and byte-level post-processing leaves the second text out. */
function withPairs(processor: JsonObject | null | undefined): JsonObject {
  if (!processor) return PLAIN_TEMPLATE;
  const { type, processors } = processor;
  const parts = type === "Sequence" ? (processors as JsonObject[]) : [processor];
  if (parts.some((part) => WITH_PAIRS.includes(part.type))) return processor;
  return { type: "Sequence", processors: [...parts, PLAIN_TEMPLATE] };
}

/** One text after the other, without special tokens: what tokenizers does without a template. */
const PLAIN_TEMPLATE = templateProcessing({ start: undefined, end: undefined }, () => 0);

/** A prefix of no token, so that words are never split. */
const NO_PREFIX = "\0";

/** transformers.js gives unknown words of a WordLevel model no id. A WordPiece model whose vocabulary has no parts of words is the same. */
function withUnknown(model: JsonObject): JsonObject {
  if (model.type !== "WordLevel" || model.unk_token === undefined) return model;
  const whole = { continuing_subword_prefix: NO_PREFIX, max_input_chars_per_word: Number.MAX_SAFE_INTEGER };
  return { ...model, ...whole, type: "WordPiece" };
}
