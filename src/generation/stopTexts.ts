import { type Tokenizer, textEnd } from "../text/index.js";

/** The texts that end a continuation. */
export class StopTexts {
  readonly #longest: number;

  constructor(private readonly texts: readonly string[]) {
    this.#longest = Math.max(0, ...texts.map(({ length }) => length));
  }

  get areNone(): boolean {
    return this.texts.length === 0;
  }

  /** Where the first of them begins in `text`; undefined where there is none. */
  find(text: string): number | undefined {
    const found = this.texts.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    return found.length > 0 ? Math.min(...found) : undefined;
  }

  /** Whether the newest of a continuation's tokens brings one; none was there before it. */
  async isBrought(tokenizer: Pick<Tokenizer, "decode" | "runStart">, ids: readonly number[]): Promise<boolean> {
    return this.find(await textEnd(tokenizer, ids, this.#longest)) !== undefined;
  }

  /** Where in `text` one may have begun that goes on after it: the text's length where none has. */
  mayBegin(text: string): number {
    return text.length - Math.max(0, ...this.texts.map((stop) => overlap(text, stop)));
  }
}

/** How many characters at the end of a text are the beginning of `stop`, not all of it. */
function overlap(text: string, stop: string): number {
  for (let size = Math.min(stop.length - 1, text.length); size > 0; size--) {
    if (stop.startsWith(text.slice(text.length - size))) return size;
  }
  return 0;
}

/**
 * Of texts that end a continuation, those that are special tokens, which no text shows, and the others.
 * @returns the tokens' ids, and the others
 */
export async function splitStops(
  tokenizer: Tokenizer,
  texts: readonly string[],
): Promise<{ readonly stop: readonly string[]; readonly stopTokens: readonly number[] }> {
  const encoded = await tokenizer.tokensOf(texts);
  const ids = await Promise.all(
    encoded.map(async ({ ids }) => (ids.length === 1 && (await tokenizer.decode(ids)) === "" ? ids[0] : undefined)),
  );
  return { stop: texts.filter((_, i) => ids[i] === undefined), stopTokens: ids.filter((id) => id !== undefined) };
}
