/** The strings at which generation stops. */
import { type Tokenizer, textEnd } from "../../text/index.js";

/** The bytes of a character that further tokens may complete. */
const UNFINISHED = /\ufffd{1,3}$/;

export class StopStrings {
  readonly #longest: number;

  constructor(
    private readonly tokenizer: Pick<Tokenizer, "decode" | "runStart">,
    private readonly strings: readonly string[],
  ) {
    this.#longest = Math.max(0, ...strings.map(({ length }) => length));
  }

  get isEmpty(): boolean {
    return this.strings.length === 0;
  }

  /** The index of the first stop string in `text`; undefined if there is none. */
  find(text: string): number | undefined {
    const found = this.strings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return found.length > 0 ? Math.min(...found) : undefined;
  }

  /** Whether the newest token completes a stop string. Decodes only the end of the text. */
  async isCompleted(tokens: readonly number[]): Promise<boolean> {
    const text = await textEnd(this.tokenizer, tokens, this.#longest);
    return this.find(text.replace(UNFINISHED, "")) !== undefined;
  }

  /** The length of `text` without a partial stop string at its end. */
  certainLength(text: string): number {
    return text.length - Math.max(0, ...this.strings.map((stop) => overlap(text, stop)));
  }
}

/** The length of the longest suffix of `text` that is a proper prefix of `stop`, in linear time (Knuth, Morris, Pratt 1977). */
function overlap(text: string, stop: string): number {
  const borders = bordersOf(stop);
  let length = 0;
  for (let at = Math.max(0, text.length - stop.length + 1); at < text.length; at++)
    length = extended(stop, borders, length, text[at]);
  return length;
}

/** For each length of a text's start, that of the longest shorter start which it ends with. */
function bordersOf(text: string): readonly number[] {
  const borders = [0, 0];
  for (let at = 1; at < text.length; at++) borders.push(extended(text, borders, borders[at] as number, text[at]));
  return borders;
}

/** How much of `text`'s start ends here, after `length` of it and one more character. */
function extended(text: string, borders: readonly number[], length: number, next: string | undefined): number {
  let own = length;
  while (own > 0 && text[own] !== next) own = borders[own] as number;
  return text[own] === next ? own + 1 : 0;
}

/**
 * Splits stop strings into special tokens, which decoded text does not contain, and other strings.
 * @returns the other strings, and the ids of the special tokens
 */
export async function splitStops(
  tokenizer: Tokenizer,
  strings: readonly string[],
): Promise<{ readonly stop: readonly string[]; readonly stopTokens: readonly number[] }> {
  const encoded = await tokenizer.tokensOf(strings);
  const ids = await Promise.all(
    encoded.map(async ({ ids }) => (ids.length === 1 && (await tokenizer.decode(ids)) === "" ? ids[0] : undefined)),
  );
  return { stop: strings.filter((_, i) => ids[i] === undefined), stopTokens: ids.filter((id) => id !== undefined) };
}
