/** Which texts stand in which others, as sequences of words. */

/** Distinct texts as sequences of words, separated by white space; case does not count. Equal words have equal numbers. */
export class NumberedTexts {
  readonly #words = new Map<string, number>();
  readonly #texts = new Map<string, number>();
  /** The words of each distinct text. */
  readonly sequences: Int32Array[] = [];

  /** The number of a text; equal texts have the same one. */
  add(text: string): number {
    const words = text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const key = words.join(" ");
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    const number = this.sequences.length;
    this.#texts.set(key, number);
    this.sequences.push(Int32Array.from(words, (word) => this.#wordNumber(word)));
    return number;
  }

  #wordNumber(word: string): number {
    const number = this.#words.get(word) ?? this.#words.size + 1;
    this.#words.set(word, number);
    return number;
  }
}

/** The factor of the polynomial hash modulo 2³²: odd, so that none of its powers is 0. */
const FACTOR = 0x01000193;

/** Texts that begin with the same words, by their length and the hash of all their words. */
interface Beginning {
  readonly lengths: number[];
  readonly byHash: Map<number, number[]>;
}

/**
 * Finds the texts that stand in a sequence of words. Texts are found by the hash of their first words, then by that of all their words, and
 * compared, so that the time is that of the words times the number of different lengths of texts with the same beginning.
 */
export class PhraseIndex {
  readonly #beginnings = new Map<number, Beginning>();

  /** @param shortest the number of words below which a text is not looked for */
  constructor(
    private readonly sequences: readonly Int32Array[],
    numbers: Iterable<number>,
    private readonly shortest: number,
  ) {
    for (const number of numbers) this.#add(number);
  }

  #add(number: number): void {
    const words = this.sequences[number]!;
    if (words.length < this.shortest) return;
    const hashes = new PrefixHashes(words);
    const first = hashes.of(0, this.shortest);
    const beginning = this.#beginnings.get(first) ?? { lengths: [], byHash: new Map<number, number[]>() };
    this.#beginnings.set(first, beginning);
    if (!beginning.lengths.includes(words.length)) beginning.lengths.push(words.length);
    const hash = hashes.of(0, words.length);
    beginning.byHash.set(hash, [...(beginning.byHash.get(hash) ?? []), number]);
  }

  /**
   * Calls back with the texts that stand in the words, in order of their places; some repeatedly.
   * @param which at each place all, or only one other than `self`
   */
  eachWithin(words: Int32Array, onFound: (number: number) => void, which: { readonly self?: number } | "all"): void {
    const hashes = new PrefixHashes(words);
    for (let start = 0; start + this.shortest <= words.length; start++) {
      const beginning = this.#beginnings.get(hashes.of(start, this.shortest));
      for (const length of beginning?.lengths ?? []) {
        if (start + length > words.length) continue;
        const found = this.#at(words, start, beginning!.byHash.get(hashes.of(start, length)));
        if (found === undefined || (which !== "all" && found === which.self)) continue;
        onFound(found);
        if (which !== "all") break;
      }
    }
  }

  /** Which of the texts, that are distinct, the words have at a place. */
  #at(words: Int32Array, start: number, numbers: readonly number[] = []): number | undefined {
    for (const number of numbers) {
      const text = this.sequences[number]!;
      let i = 0;
      while (i < text.length && text[i] === words[start + i]) i++;
      if (i === text.length) return number;
    }
    return undefined;
  }
}

/** The hashes of all parts of a sequence, from those of its beginnings. */
class PrefixHashes {
  readonly #hashes: Int32Array;

  constructor(words: Int32Array) {
    this.#hashes = new Int32Array(words.length + 1);
    for (let i = 0; i < words.length; i++)
      this.#hashes[i + 1] = (Math.imul(this.#hashes[i]!, FACTOR) + Math.imul(words[i]!, SPREAD)) | 0;
  }

  of(start: number, length: number): number {
    const hash = this.#hashes[start + length]! - Math.imul(this.#hashes[start]!, powerOf(length));
    // The upper bits are those of all words; a number of 30 bits is a fast key of a map.
    return (hash >>> 2) & KEY;
  }
}

const KEY = 0x3fffffff;

/** Spreads the small numbers of words over all bits. */
const SPREAD = 0x9e3779b1;

const POWERS = [1];

function powerOf(exponent: number): number {
  for (let next = POWERS.length; next <= exponent; next++) POWERS.push(Math.imul(POWERS[next - 1]!, FACTOR));
  return POWERS[exponent]!;
}
