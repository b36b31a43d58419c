import type { Tokenizer } from "./tokenizer.js";

type Decoding = Pick<Tokenizer, "decode" | "runStart">;

/** The most tokens that the bytes of one character are spread over: a new token may change the text of so many. */
const CHARACTER = 4;
/** How many first characters of a text may depend on the tokens before it: half a character, a space left out, a contraction drawn together. */
const MARGIN = 16;

/**
 * The end of the text of tokens, from no more of them than that takes: what the newest may have changed, and at least `length`
 * characters before it, or all.
 */
export async function textEnd(tokenizer: Decoding, ids: readonly number[], length: number): Promise<string> {
  const fresh = await tokenizer.decode(ids.slice(-CHARACTER));
  const wanted = length + fresh.length + CHARACTER;
  for (let count = wanted + MARGIN; count < ids.length; count *= 2) {
    const text = await tokenizer.decode(ids.slice(tokenizer.runStart(ids, ids.length - count)));
    if (text.length >= wanted + MARGIN) return text.slice(-wanted);
  }
  return tokenizer.decode(ids);
}
