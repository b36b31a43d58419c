import { BidoraError } from "../common/errors.js";

/** Whether a text has no half of a character: a surrogate without its other, which no tokenizer takes. */
export const isWhole = (text: string): boolean => !HALF.test(text);

const HALF = /\p{Surrogate}/u;
const SHOWN = 20;

/** What is said of a text, or of the place where it stands, that has half of a character. */
export const HAS_HALF = "has half of a character (a lone surrogate such as \\ud83d): correct the text";

/** A text that a tokenizer does not take. */
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
 * A tokenizer would put another character in the place of a half, without a word.
 * @throws RefusedText for the first text that has one
 */
export function requireWhole(texts: readonly string[]): void {
  const broken = texts.find((text) => !isWhole(text));
  if (broken === undefined) return;
  const around = broken.slice(0, broken.search(HALF) + 1).slice(-SHOWN);
  throw new RefusedText(broken, "HALF_CHARACTER", `The text ${JSON.stringify(around)} ${HAS_HALF}.`);
}
