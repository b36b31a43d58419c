import type { DecodeOptions } from "./decoder.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * The text of tokens as they come. All that it gives, put together, is what the tokenizer decodes from all tokens at once: text
 * that further tokens may still change is held back.
 */
export class TextStream {
  /** The tokens that are still looked at: some whose text was given, for what stands before a text is written otherwise; then new ones. */
  #ids: number[] = [];
  /** How many of them have had their text given. */
  #given = 0;

  constructor(
    private readonly tokenizer: Pick<Tokenizer, "decode" | "isSettled">,
    private readonly options: DecodeOptions = {},
  ) {}

  /** Takes further tokens. @returns the text that is certain now, perhaps none */
  async put(...ids: readonly number[]): Promise<string> {
    this.#ids.push(...ids);
    const { before, after } = await this.#texts();
    if (after.length <= before.length || !(await this.tokenizer.isSettled(this.#ids, after, this.options))) return "";
    this.#ids = this.#ids.slice(this.#given);
    this.#given = this.#ids.length;
    return after.slice(before.length);
  }

  /** The rest, half characters too. */
  async end(): Promise<string> {
    const { before, after } = await this.#texts();
    this.#ids = [];
    this.#given = 0;
    return after.slice(before.length);
  }

  async #texts(): Promise<{ before: string; after: string }> {
    const [before, after] = await Promise.all([
      this.tokenizer.decode(this.#ids.slice(0, this.#given), this.options),
      this.tokenizer.decode(this.#ids, this.options),
    ]);
    return { before, after };
  }
}
