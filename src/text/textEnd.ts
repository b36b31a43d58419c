import { REPLACEMENT } from "./decoder.js";
import type { Tokenizer } from "./tokenizer.js";

type Decoding = Pick<Tokenizer, "decode" | "runStart">;

/** The most tokens that the bytes of one character are spread over: a new token may change the text of so many. */
const CHARACTER = 4;
/** How far into a text it may depend on what stood before: a space that is left out, a contraction that is drawn together. */
const MARGIN = 16;

/**
 * The end of the text of tokens, from no more of them than that takes: what the newest may have changed, and at least `length`
 * characters before it, or all.
 */
export async function textEnd(tokenizer: Decoding, ids: readonly number[], length: number): Promise<string> {
  const fresh = await tokenizer.decode(ids.slice(-CHARACTER));
  const wanted = length + fresh.length + CHARACTER;
  for (let count = wanted + MARGIN; count < ids.length; count *= 2) {
    const text = await decodeFrom(tokenizer, ids, ids.length - count);
    if (text !== undefined && text.length >= wanted + MARGIN) return text.slice(-wanted);
  }
  return tokenizer.decode(ids);
}

/** The text from a token on, or from one shortly before it; undefined where all of these begin within a character. */
async function decodeFrom(tokenizer: Decoding, ids: readonly number[], start: number): Promise<string | undefined> {
  for (let before = 0; before < CHARACTER; before++) {
    const text = await tokenizer.decode(ids.slice(tokenizer.runStart(ids, Math.max(0, start - before))));
    if (!text.startsWith(REPLACEMENT)) return text;
  }
  return undefined;
}
