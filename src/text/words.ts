// Tokenizes each distinct word of many texts once. A language's words repeat: twenty thousand of them make up eight thousand sentences, and
// these take the library twice as long.

/** A word's tokens, once they are known. */
interface Word {
  ids: readonly number[];
}

/** The fewest texts for which it pays. */
export const MANY_TEXTS = 64;
/** How many words are kept. */
const MOST_WORDS = 2 ** 17;
/** The longest that are kept. A longer part of a text, which may be all of it, hardly repeats, and V8 keeps the whole text in memory with it. */
const LONGEST_KEPT = 12;

/** For a tokenizer whose words have the same tokens in every text (`Boundaries.hasPlainWords`). */
export class WordEncoder {
  #words = new Map<string, Word>();
  /** Resolves when all words in the map have their tokens. */
  #known: Promise<unknown> = Promise.resolve();

  constructor(private readonly encodeWhole: (texts: readonly string[]) => Promise<number[][]>) {}

  /** The tokens of each text. New words are given to the library before anything is waited for. */
  async encode(texts: readonly string[]): Promise<number[][]> {
    if (this.#words.size > MOST_WORDS) this.#forget();
    const fresh = new Map<string, Word>();
    const ofTexts = texts.map((text) => wordsOf(text).map((word) => this.#word(word, fresh)));
    const known = Promise.all([this.#known, this.#fill(fresh)]);
    this.#known = known;
    try {
      await known;
    } catch (error) {
      this.#forget();
      throw error;
    }
    return ofTexts.map(joined);
  }

  #word(text: string, fresh: Map<string, Word>): Word {
    const found = this.#words.get(text) ?? fresh.get(text);
    if (found) return found;
    const word: Word = { ids: [] };
    if (text.length <= LONGEST_KEPT) this.#words.set(text, word);
    fresh.set(text, word);
    return word;
  }

  async #fill(words: ReadonlyMap<string, Word>): Promise<void> {
    if (words.size === 0) return;
    const ids = await this.encodeWhole([...words.keys()]);
    for (const [i, word] of [...words.values()].entries()) word.ids = ids[i]!;
  }

  #forget(): void {
    this.#words = new Map();
    this.#known = Promise.resolve();
  }
}

function joined(words: readonly Word[]): number[] {
  const all: number[] = [];
  for (const { ids } of words) for (const id of ids) all.push(id);
  return all;
}

/** The parts of a text that begin at a space between two ASCII letters, digits or marks, which are places of `Boundaries`. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let start = 0;
  for (let space = text.indexOf(" ", 1); space !== -1; space = text.indexOf(" ", space + 1)) {
    if (!isVisible(text.charCodeAt(space - 1)) || !isVisible(text.charCodeAt(space + 1))) continue;
    words.push(text.slice(start, space));
    start = space;
  }
  words.push(text.slice(start));
  return words;
}

const isVisible = (code: number): boolean => code > 0x20 && code < 0x7f;
