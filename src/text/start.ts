// Tokenizes long texts piece by piece: their start as far as truncation needs it, or all as long as there may be few enough tokens.
import type { Boundaries } from "./boundaries.js";
import type { NativeTokenizer } from "./native.js";
import { RefusedText, requireWellFormed } from "./surrogates.js";
import { MANY_TEXTS, WordEncoder } from "./words.js";

/** The tokens of the start of a text, or of all of it. */
export interface Start {
  readonly ids: readonly number[];
  /** Whether more tokens follow. */
  readonly isTruncated: boolean;
}

/** A long text that can't be split anywhere. */
class UnsplittableText extends RefusedText {
  constructor(text: string, length: number) {
    super(
      text,
      "LONG_TEXT",
      `${length} characters of the text have no space between words at which to split it: shorten the text, or leave the row out.`,
    );
  }
}

/** How many texts a call tokenizes, and how many calls run: enough to keep all cores busy, few enough that the native encodings take little memory. */
const CHUNK = 1024;
const CALLS = 4;
/** The characters to tokenize for each wanted token: almost always enough. */
const CHARACTERS_PER_TOKEN = 16;
const MIN_CHARACTERS = 2 ** 14;
/** What is tokenized next has so many times the characters as before. */
const GROWTH = 4;
/** The longest stretch without a boundary that is tokenized whole. */
const MAX_STRETCH = 2 ** 22;

interface Wanted {
  /** How many tokens of a text are enough; undefined for all. */
  readonly tokens: number | undefined;
  /** How many characters to tokenize first. */
  readonly characters?: number | undefined;
}

/** Tokenizes texts as far as needed, without adding special tokens. */
export class StartEncoder {
  constructor(
    private readonly native: NativeTokenizer,
    private readonly boundaries: Boundaries | undefined,
  ) {}

  private readonly words = new WordEncoder((texts) => this.encodeWhole(texts));
  /** The calls that run. A new call waits for the one that has its place. */
  private readonly running: Promise<unknown>[] = [];
  private calls = 0;

  /** The first texts are given to the library's threads at once, before anything is waited for. @throws RefusedText */
  async encode(texts: readonly string[], wanted: Wanted): Promise<Start[]> {
    requireWellFormed(texts);
    const parts: Promise<Start[]>[] = [];
    let isOver = false; // a failure also ends the parts that wait
    const encodePart = async (first: number) =>
      isOver ? [] : this.encodePart(texts.slice(first, first + CHUNK), wanted);
    for (let first = 0; first < texts.length; first += CHUNK) parts.push(this.inTurn(() => encodePart(first)));
    try {
      return (await Promise.all(parts)).flat();
    } finally {
      isOver = true;
    }
  }

  private inTurn<T>(call: () => Promise<T>): Promise<T> {
    const place = this.calls++ % CALLS;
    const before = this.running[place];
    const result = before ? before.then(call) : call();
    this.running[place] = result.catch(() => {});
    return result;
  }

  private async encodePart(texts: readonly string[], wanted: Wanted): Promise<Start[]> {
    const pieces = texts.map((text) => this.piece(text, wanted));
    const isByWord = this.boundaries?.hasPlainWords === true && texts.length >= MANY_TEXTS;
    const begun = pieces.map((piece) => piece.text.slice(0, piece.end));
    const ids = await (isByWord ? this.words.encode(begun) : this.encodeWhole(begun));
    const starts: Start[] = [];
    for (const [i, piece] of pieces.entries()) {
      const isWhole = piece.end === piece.text.length;
      starts.push(isWhole ? { ids: ids[i]!, isTruncated: false } : await this.enough(piece, ids[i]!, wanted));
    }
    return starts;
  }

  /** Compares the token counts of two texts: above 0 if the first has more. Tokenizes both in pieces, until the shorter one ends. */
  async compare(first: string, second: string): Promise<number> {
    const counters = [first, second].map((text) => new Counter(this, text, this.condensed(text)));
    const [a, b] = counters as [Counter, Counter];
    while (!(a.isDone && b.isDone)) {
      if (a.isDone && b.count > a.count) break;
      if (b.isDone && a.count > b.count) break;
      await (b.isDone || (!a.isDone && a.count <= b.count) ? a : b).advance();
    }
    return a.count - b.count;
  }

  async encodeWhole(texts: readonly string[]): Promise<number[][]> {
    const encodings = await this.native.encodeBatch([...texts], { addSpecialTokens: false });
    return encodings.map((encoding) => encoding.getIds());
  }

  /** The end of a piece that begins at `from` and has at least this many characters, if there are that many. @throws UnsplittableText */
  cutAfter(text: string, from: number, characters: number, original: string): number {
    const least = from + characters;
    if (this.boundaries === undefined || least >= text.length) return text.length;
    const found = this.boundaries.next(text, least);
    const end = found === -1 ? text.length : found;
    if (end - least > MAX_STRETCH) throw new UnsplittableText(original, end - least);
    return end;
  }

  private condensed(text: string): string {
    return this.boundaries?.condense(text) ?? text;
  }

  private piece(original: string, { tokens, characters }: Wanted): Piece {
    const least = tokens && (characters ?? Math.max(MIN_CHARACTERS, CHARACTERS_PER_TOKEN * tokens));
    if (least === undefined || original.length <= least) return { original, text: original, end: original.length };
    const text = this.condensed(original);
    return { original, text, end: this.cutAfter(text, 0, least, original) };
  }

  /** Tokenizes more of a text until there are enough tokens. */
  private async enough({ original, text, end }: Piece, ids: number[], { tokens }: Wanted): Promise<Start> {
    let found = { ids, end };
    while (found.end < text.length && found.ids.length <= tokens!) {
      const more = this.cutAfter(text, found.end, found.end * (GROWTH - 1), original);
      found = { ids: (await this.encodeWhole([text.slice(0, more)]))[0]!, end: more };
    }
    return { ids: found.ids, isTruncated: found.end < text.length };
  }
}

interface Piece {
  readonly original: string;
  /** The condensed text. */
  readonly text: string;
  readonly end: number;
}

/** Counts the tokens of a text in pieces. */
class Counter {
  count = 0;
  private at = 0;

  constructor(
    private readonly encoder: StartEncoder,
    private readonly original: string,
    private readonly text: string,
  ) {}

  get isDone(): boolean {
    return this.at === this.text.length;
  }

  async advance(): Promise<void> {
    const end = this.encoder.cutAfter(this.text, this.at, MIN_CHARACTERS, this.original);
    const [ids] = await this.encoder.encodeWhole([this.text.slice(this.at, end)]);
    this.count += ids!.length;
    this.at = end;
  }
}

/** How many characters are tokenized at once, and how far after them a place to split is looked for. */
const PIECE = 2 ** 14;
const REACH = 2 ** 14;
/** The first part of a text that is cut anywhere has a token more or less than it has in the whole: so many times the most are too many. */
const SURE = 2;

/** The characters before a place that decide whether a text may be split there. */
const CONTEXT = 2;

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
    const found = this.boundaries?.next(text.slice(least - CONTEXT, least + REACH), CONTEXT) ?? -1;
    return found < 0 ? undefined : least - CONTEXT + found;
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
    return encoding!;
  }
}

/** The first characters of a text, and the second half of the last one if it is a pair. */
const whole = (text: string, size: number): string =>
  text.slice(0, (text.codePointAt(size - 1) ?? 0) > 0xffff ? size + 1 : size);
