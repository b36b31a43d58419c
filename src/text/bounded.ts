/** Tokenizes a text piece by piece, and only as long as it may have few enough tokens. */
import type { Boundaries } from "./boundaries.js";
import type { NativeTokenizer } from "./native.js";

/** How many characters are tokenized at once, and how far after them a place to split is looked for. */
const PIECE = 2 ** 14;
const REACH = 2 ** 14;
/** What has no such place is tokenized whole, or up to so many times the characters as before. */
const GROWTH = 4;
/** The first part of a text that is cut anywhere has a token more or less than it has in the whole: so many times the most are too many. */
const SURE = 2;

/** The characters before a place that decide whether a text may be split there. */
const BEFORE = 2;

export class BoundedEncoder {
  constructor(
    private readonly native: NativeTokenizer,
    private readonly boundaries: Boundaries | undefined,
  ) {}

  /**
   * The tokens of a text, without adding special tokens; undefined if it is long and has more than `most`.
   * @throws the signal's reason
   */
  async encode(text: string, most: number, signal?: AbortSignal): Promise<readonly number[] | undefined> {
    const ids: number[] = [];
    for (let at = 0; at < text.length; ) {
      if (ids.length > most) return undefined;
      const end = this.#cut(text, at);
      const piece =
        end === undefined ? await this.#rest(text.slice(at), most - ids.length, signal) : text.slice(at, end);
      if (piece === undefined) return undefined;
      const encoding = await this.#encode(piece, signal);
      for (const id of encoding.getIds()) ids.push(id);
      at += piece.length;
    }
    return ids;
  }

  /** The end of a piece, if there is one near: the text's, or a place to split it. */
  #cut(text: string, from: number): number | undefined {
    const least = from + PIECE;
    if (least >= text.length) return text.length;
    const found = this.boundaries?.next(text.slice(least - BEFORE, least + REACH), BEFORE) ?? -1;
    return found < 0 ? undefined : least - BEFORE + found;
  }

  /** A text that can't be split; undefined if its first part has far too many tokens. */
  async #rest(text: string, most: number, signal: AbortSignal | undefined): Promise<string | undefined> {
    for (let size = PIECE; size < text.length; size *= GROWTH) {
      const encoding = await this.#encode(whole(text, size), signal);
      if (encoding.getLength() > SURE * (most + 1)) return undefined;
    }
    return text;
  }

  async #encode(text: string, signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    const [encoding] = await this.native.encodeBatch([text], { addSpecialTokens: false });
    return encoding as NonNullable<typeof encoding>;
  }
}

/** The first characters of a text, and the second half of the last one if it is a pair. */
const whole = (text: string, size: number): string =>
  text.slice(0, (text.codePointAt(size - 1) ?? 0) > 0xffff ? size + 1 : size);
