// Texts that come split into words, as transformers' `is_split_into_words`.
import { isJsonObject, type JsonObject } from "../base/records/index.js";
import { boundariesOf } from "./boundaries.js";
import { assemble, type Encoded, type Layout, roomForText, type Truncation } from "./layout.js";
import { createNative, nativeText } from "./native.js";
import { StartEncoder } from "./start.js";

/** A row of words as token ids. */
export interface EncodedWords extends Encoded {
  /** For each word, the index of its first token in `inputIds`; -1 if the word was truncated or has no token. */
  readonly wordStarts: readonly number[];
}

/** The tokens of each word of a text. */
type WordIds = readonly (readonly number[])[];

/** A text as one row. */
export function rowOfWords(layout: Layout, words: WordIds, truncation: Truncation): EncodedWords {
  const tokens = words.flat();
  const encoded = assemble(layout, [tokens], truncation);
  const kept = encoded.inputIds.length - layout.specials;
  const cut = truncation.side === "left" ? tokens.length - kept : 0;
  return { ...encoded, wordStarts: wordStarts(words, { first: layout.pieces[0]!.ids.length, cut, kept }) };
}

/** A text as rows of whole words, as many as it takes. */
export function rowsOfWords(layout: Layout, words: WordIds, maxLength: number | undefined): EncodedWords[] {
  const room = maxLength === undefined ? Number.POSITIVE_INFINITY : roomForText(layout, maxLength);
  const first = layout.pieces[0]!.ids.length;
  return stretchesOf(words, room).map((own) => {
    const encoded = assemble(layout, [own.flat()], { maxLength: undefined, side: "right" });
    return { ...encoded, wordStarts: wordStarts(own, { first, cut: 0, kept: room }) };
  });
}

/**
 * Splits a text between words into stretches of at most `room` tokens. Each takes as many words as fit, as in transformers'
 * `preprocess.py` for token classification. A longer word is truncated and gets a stretch alone. A text without words is one stretch.
 * @param words the tokens of each word, none for a word that the tokenizer drops
 * @returns the tokens of the words in each stretch
 */
export function stretchesOf(words: WordIds, room: number): (readonly number[])[][] {
  const stretches: (readonly number[])[][] = [[]];
  let tokens = 0;
  for (const word of words) {
    const own = word.slice(0, room);
    if (tokens + own.length > room) {
      stretches.push([]);
      tokens = 0;
    }
    stretches.at(-1)?.push(own);
    tokens += own.length;
  }
  return stretches;
}

/** The index of each word's first token in a row. @param row the index of the first word's token, and how many tokens were cut and kept */
function wordStarts(
  wordIds: WordIds,
  { first, cut, kept }: { readonly first: number; readonly cut: number; readonly kept: number },
): number[] {
  let seen = -cut;
  return wordIds.map((ids) => {
    const start = ids.length > 0 && seen >= 0 && seen < kept ? first + seen : -1;
    seen += ids.length;
    return start;
  });
}

/** An encoder of words for a byte-level tokenizer that puts no space before a text: before a word it does. Undefined for other tokenizers. */
export function prefixingEncoder(spec: JsonObject): StartEncoder | undefined {
  const { pre_tokenizer } = spec;
  if (!isJsonObject(pre_tokenizer) || pre_tokenizer.type !== "ByteLevel" || pre_tokenizer.add_prefix_space === true)
    return undefined;
  const prefixing = { ...spec, pre_tokenizer: { ...pre_tokenizer, add_prefix_space: true } };
  return new StartEncoder(createNative(nativeText(prefixing)), boundariesOf(prefixing));
}
