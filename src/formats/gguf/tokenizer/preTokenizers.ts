// llama.cpp's named pre-tokenizers, as `tokenizer.json` writes them.

import { isDeepStrictEqual } from "node:util";
import { didYouMean, own } from "../../../base/index.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../base/records/index.js";
import { QWEN2_WORDS, sequence, splitByteLevel } from "../../../text/index.js";
import { ggufError } from "../types.js";

/** How a byte-level BPE tokenizer splits text before merging, with the settings that go with it. */
interface Splitting {
  readonly normalizer: JsonObject | null;
  readonly preTokenizer: JsonObject;
  /** Whether a word in the vocabulary becomes one token without applying merges. */
  readonly ignoresMerges: boolean;
  /** Whether a start token is added if the file doesn't say. */
  readonly addsStart: boolean;
}

/** Qwen's, with up to three digits in a word. */
const LLAMA3 = QWEN2_WORDS.replace("|\\p{N}|", "|\\p{N}{1,3}|");
const TEKKEN =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" +
  "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*" +
  "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

const PLAIN = { normalizer: null, ignoresMerges: false, addsStart: false };
const gpt2: Splitting = { ...PLAIN, preTokenizer: BYTE_LEVEL };
/** Splits each digit off. */
const smollm: Splitting = {
  ...PLAIN,
  preTokenizer: sequence({ type: "Digits", individual_digits: true }, BYTE_LEVEL),
};
const llama3: Splitting = { ...PLAIN, preTokenizer: splitByteLevel(LLAMA3), ignoresMerges: true, addsStart: true };
const qwen2: Splitting = { ...PLAIN, normalizer: { type: "NFC" }, preTokenizer: splitByteLevel(QWEN2_WORDS) };
/** ModernBERT's. */
const modernBert: Splitting = { ...gpt2, normalizer: { type: "NFC" } };
const tekken: Splitting = { ...PLAIN, preTokenizer: splitByteLevel(TEKKEN), ignoresMerges: true, addsStart: true };

/** Pre-tokenizers by `tokenizer.ggml.pre`, llama.cpp's name for them. */
const SPLITTINGS = {
  "gpt-2": gpt2,
  "roberta-bpe": gpt2,
  "modern-bert": modernBert,
  smollm,
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  qwen2,
  "deepseek-r1-qwen": qwen2,
  tekken,
} as const satisfies Readonly<Record<string, Splitting>>;

/** The names of all supported pre-tokenizers. */
export const splittingNames = (): string[] => Object.keys(SPLITTINGS);

/** The pre-tokenizer of this name. @throws BidoraError `GGUF` that lists the supported ones */
export function splittingOf(path: string, name: string | undefined): Splitting {
  const found = name === undefined ? undefined : own(SPLITTINGS, name);
  if (found) return found;
  const known = splittingNames();
  if (name === undefined) {
    throw ggufError(
      path,
      "its metadata lack tokenizer.ggml.pre, the name of the pre-tokenizer: convert the model again with a current llama.cpp.",
    );
  }
  throw ggufError(
    path,
    `tokenizer.ggml.pre ${JSON.stringify(name)} is not supported; supported are ${known.join(", ")}.${didYouMean(name, known)}`,
  );
}

/**
 * llama.cpp's name for the pre-tokenizer of a byte-level `tokenizer.json`, or undefined if none splits text the same way. llama.cpp
 * does not normalize, so a missing normalizer matches any.
 */
export function splittingName({ normalizer, pre_tokenizer: preTokenizer, model }: JsonObject): string | undefined {
  const { ignore_merges: ignoresMerges = false } = isJsonObject(model) ? model : {};
  return Object.entries<Splitting>(SPLITTINGS).find(
    ([, known]) =>
      isSame(known.preTokenizer, preTokenizer) &&
      known.ignoresMerges === ignoresMerges &&
      (normalizer === undefined || normalizer === null || isSame(known.normalizer, normalizer)),
  )?.[0];
}

const isSame = (a: JsonValue | undefined, b: JsonValue | undefined): boolean => isDeepStrictEqual(plain(a), plain(b));

/** A pre-tokenizer without settings that change no token, and with defaults filled in. */
function plain(step: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(step)) return step;
  if (step.type === "ByteLevel") return { use_regex: true, ...step, trim_offsets: true };
  if (step.type !== "Sequence" || !Array.isArray(step.pretokenizers)) return step;
  return { type: step.type, pretokenizers: step.pretokenizers.map((inner) => plain(inner) ?? null) };
}
