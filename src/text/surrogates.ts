// Lone surrogates, which no tokenizer accepts.
import { BidoraError } from "../base/index.js";

/** Whether a text has no lone surrogate, which is half of a character. */
export const isWellFormed = (text: string): boolean => !HALF.test(text);

const HALF = /\p{Surrogate}/u;
const SHOWN = 20;

/** What is wrong with a text that has a lone surrogate: the end of a sentence that names the text or where it is. */
export const HAS_LONE_SURROGATE = "has a lone surrogate, half of a character, such as \\ud83d: correct the text";

/** A text that a tokenizer refuses. */
export class RefusedText extends BidoraError {
  constructor(
    readonly text: string,
    code: string,
    message: string,
  ) {
    super(code, message);
  }
}

/**
 * Refuses lone surrogates, which the library would silently replace.
 * @throws RefusedText for the first text that has one
 */
export function requireWellFormed(texts: readonly string[]): void {
  const broken = texts.find((text) => !isWellFormed(text));
  if (broken === undefined) return;
  const around = broken.slice(0, broken.search(HALF) + 1).slice(-SHOWN);
  throw new RefusedText(broken, "HALF_CHARACTER", `The text ${JSON.stringify(around)} ${HAS_LONE_SURROGATE}.`);
}
