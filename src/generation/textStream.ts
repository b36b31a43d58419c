/** Turns tokens into their text. */
export type Decode = (ids: readonly number[]) => Promise<string>;

/** What stands for bytes that are no character yet. */
const REPLACEMENT = "\uFFFD";

/**
 * The text of tokens as they come. What is given out stays as it is: of a character that is only partly there, and of what may turn
 * out to be a text that ends all, nothing is given out.
 */
export class TextStream {
  #text = "";
  #given = 0;
  #isStopped = false;

  /** @param stop texts that end it: it has the text before the first of them */
  constructor(
    private readonly decode: Decode,
    private readonly stop: readonly string[],
  ) {}

  /** All of the text, before a text that ends it. */
  get text(): string {
    return this.#text;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Reads on. @param tokens all of them, old and new */
  async read(tokens: readonly number[]): Promise<void> {
    const text = await this.decode(tokens);
    const ends = this.stop.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    this.#isStopped = ends.length > 0;
    this.#text = this.#isStopped ? text.slice(0, Math.min(...ends)) : text;
  }

  /** What can be given out that was not. @param isLast nothing follows, so that nothing need be held back */
  take(isLast: boolean): string {
    const end = isLast || this.#isStopped ? this.#text.length : this.#certain();
    const piece = this.#text.slice(this.#given, end);
    this.#given = Math.max(this.#given, end);
    return piece;
  }

  #certain(): number {
    let end = this.#text.length;
    while (this.#text[end - 1] === REPLACEMENT) end--;
    return Math.min(end, ...this.stop.map((stop) => end - overlap(this.#text.slice(0, end), stop)));
  }
}

/** How many characters at the end of a text are the beginning of `stop`. */
function overlap(text: string, stop: string): number {
  for (let size = Math.min(stop.length - 1, text.length); size > 0; size--) {
    if (stop.startsWith(text.slice(text.length - size))) return size;
  }
  return 0;
}
