import type { Boundaries } from "./boundaries.js";
import type { NativeTokenizer } from "./native.js";
import { RefusedText, requireWhole } from "./surrogates.js";

/** The tokens of a text's start, or of all of it. */
export interface Start {
  readonly ids: readonly number[];
  /** More tokens follow. */
  readonly isCut: boolean;
}

/** A text in which no boundary is known where it must be cut. */
export class UncuttableText extends RefusedText {
  constructor(text: string, length: number) {
    super(
      text,
      "LONG_TEXT",
      `${length} characters of the text have no space between two words where it could be cut: split the text, or leave the row out.`,
    );
  }
}

/** So many texts at once keep all cores busy and the memory of the native encodings small. */
const CHUNK = 4096;
/** Characters for each token that is wanted: almost always enough. */
const CHARACTERS_PER_TOKEN = 16;
const MIN_CHARACTERS = 2 ** 14;
const GROWTH = 4;
/** So long a stretch without a boundary is still tokenised whole. */
const MAX_STRETCH = 2 ** 22;

export interface Wanted {
  /** Tokens of a text that are enough; without, all. */
  readonly tokens: number | undefined;
  /** Characters to begin with. */
  readonly characters?: number | undefined;
}

/** Tokenises texts as far as is wanted; special tokens are not added. */
export class StartEncoder {
  constructor(
    private readonly native: NativeTokenizer,
    private readonly boundaries: Boundaries | undefined,
  ) {}

  /** @throws RefusedText */
  async encode(texts: readonly string[], wanted: Wanted): Promise<Start[]> {
    requireWhole(texts);
    const starts: Start[] = [];
    for (let first = 0; first < texts.length; first += CHUNK) {
      const pieces = texts.slice(first, first + CHUNK).map((text) => this.piece(text, wanted));
      const ids = await this.encodeWhole(pieces.map((piece) => piece.text.slice(0, piece.end)));
      for (const [i, piece] of pieces.entries()) {
        const isWhole = piece.end === piece.text.length;
        starts.push(isWhole ? { ids: ids[i]!, isCut: false } : await this.enough(piece, ids[i]!, wanted));
      }
    }
    return starts;
  }

  /** Which of two texts has more tokens: above 0 for the first. Takes them piece by piece, as far as the shorter one goes. */
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

  /** The end of a piece from `from` that has at least so many characters, if it can be. @throws UncuttableText */
  cutAfter(text: string, from: number, characters: number, original: string): number {
    const least = from + characters;
    if (this.boundaries === undefined || least >= text.length) return text.length;
    const found = this.boundaries.next(text, least);
    const end = found === -1 ? text.length : found;
    if (end - least > MAX_STRETCH) throw new UncuttableText(original, end - least);
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

  /** Looks at more of a text until its tokens are enough. */
  private async enough({ original, text, end }: Piece, ids: number[], { tokens }: Wanted): Promise<Start> {
    let found = { ids, end };
    while (found.end < text.length && found.ids.length <= tokens!) {
      const more = this.cutAfter(text, found.end, found.end * (GROWTH - 1), original);
      found = { ids: (await this.encodeWhole([text.slice(0, more)]))[0]!, end: more };
    }
    return { ids: found.ids, isCut: found.end < text.length };
  }
}

interface Piece {
  readonly original: string;
  /** The same, condensed. */
  readonly text: string;
  readonly end: number;
}

/** Counts the tokens of a text piece by piece. */
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
