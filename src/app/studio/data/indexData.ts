/** What is known of each row, as columns of numbers. */
import { needsLabel, type Reading, type ReadRow } from "./rowReader.js";

/** What is wrong with a row, as bits. */
export const FLAG = { duplicate: 1, empty: 2, leaked: 4, refused: 8, unlabeled: 16 } as const;
export type Flag = keyof typeof FLAG;
export const FLAGS = Object.keys(FLAG) as Flag[];

/** The columns of an index, as a thread sends them: a value for each row, in the order of the file. */
export interface IndexData {
  /** The byte at which a row begins. */
  readonly starts: Float64Array;
  /** Its line, from 1. */
  readonly lines: Uint32Array;
  readonly characters: Uint32Array;
  readonly words: Uint32Array;
  /** The number of its set of labels. */
  readonly labels: Int32Array;
  readonly flags: Uint8Array;
  /** The first row with the same input. */
  readonly first: Uint32Array;
  /** The numbers of all rows, the longest first. */
  readonly longest: Uint32Array;
  /** The middle number of words. */
  readonly usualWords: number;
  /** The labels that rows have together. */
  readonly labelSets: readonly (readonly string[])[];
  /** Whether there are more than are counted: scores, or answers. */
  readonly hasManyLabels: boolean;
  readonly columns: readonly string[];
  /** What is wrong with the first row that is refused. */
  readonly fault?: string | undefined;
}

/** More different labels are scores or texts, and no classes to filter by. */
const MOST_LABELS = 1000;

type Numbers = Float64Array | Uint32Array | Int32Array | Uint8Array;

/** Numbers that are added one after the other. */
class Growing<T extends Numbers> {
  #count = 0;

  constructor(
    private values: T,
    private readonly make: (length: number) => T,
  ) {}

  add(value: number): void {
    if (this.#count === this.values.length) {
      const longer = this.make(2 * this.#count);
      longer.set(this.values);
      this.values = longer;
    }
    this.values[this.#count++] = value;
  }

  finish(): T {
    return this.values.slice(0, this.#count) as T;
  }
}

const growing = <T extends Numbers>(make: (length: number) => T): Growing<T> => new Growing(make(1024), make);

export class IndexBuilder {
  readonly #starts = growing((length) => new Float64Array(length));
  readonly #lines = growing((length) => new Uint32Array(length));
  readonly #characters = growing((length) => new Uint32Array(length));
  readonly #words = growing((length) => new Uint32Array(length));
  readonly #labels = growing((length) => new Int32Array(length));
  readonly #flags = growing((length) => new Uint8Array(length));
  readonly #first = growing((length) => new Uint32Array(length));
  readonly #firstOf = new Map<string, number>();
  readonly #numberOfSet = new Map<string, number>();
  readonly #labelSets: (readonly string[])[] = [];
  #hasManyLabels = false;
  #fault: string | undefined;
  #count = 0;

  /** @param elsewhere keys of rows of other splits */
  constructor(
    private readonly reading: Reading,
    private readonly elsewhere: ReadonlySet<string>,
  ) {}

  add(row: ReadRow, start: number, line: number): void {
    const number = this.#count++;
    const first = this.#firstOf.get(row.key) ?? number;
    if (first === number && row.key !== "") this.#firstOf.set(row.key, number);
    this.#fault ??= row.fault;
    this.#starts.add(start);
    this.#lines.add(line);
    this.#first.add(first);
    this.#characters.add(row.texts.reduce((sum, { length }) => sum + length, 0));
    this.#words.add(row.texts.reduce((sum, text) => sum + wordsIn(text), 0));
    this.#labels.add(this.#setOf(row.labels));
    this.#flags.add(this.#flagsOf(row, first !== number));
  }

  #flagsOf({ key, texts, isLabeled, fault }: ReadRow, isDuplicate: boolean): number {
    if (fault !== undefined) return FLAG.refused;
    const isEmpty = texts.length === 0 || texts.some((text) => text.trim() === "");
    return (
      (isDuplicate ? FLAG.duplicate : 0) |
      (isEmpty ? FLAG.empty : 0) |
      (this.elsewhere.has(key) ? FLAG.leaked : 0) |
      (!isLabeled && needsLabel(this.reading) ? FLAG.unlabeled : 0)
    );
  }

  /** The number of a set of labels; −1 for none, and if there are too many. */
  #setOf(labels: readonly string[]): number {
    if (labels.length === 0) return -1;
    const key = labels.length === 1 ? labels[0]! : JSON.stringify(labels);
    const known = this.#numberOfSet.get(key);
    if (known !== undefined) return known;
    if (this.#labelSets.length === MOST_LABELS) {
      this.#hasManyLabels = true;
      return -1;
    }
    this.#numberOfSet.set(key, this.#labelSets.length);
    return this.#labelSets.push(labels) - 1;
  }

  finish(columns: readonly string[]): IndexData {
    const characters = this.#characters.finish();
    const words = this.#words.finish();
    return {
      starts: this.#starts.finish(),
      lines: this.#lines.finish(),
      characters,
      words,
      longest: byLength(characters),
      usualWords: words.toSorted()[(words.length - 1) >> 1] ?? 0,
      labels: this.#labels.finish(),
      flags: this.#flags.finish(),
      first: this.#first.finish(),
      labelSets: this.#labelSets,
      hasManyLabels: this.#hasManyLabels,
      columns,
      fault: this.#fault,
    };
  }
}

/** Numbers that hold a length and a row sort fast, without a function that compares. */
function byLength(characters: Uint32Array): Uint32Array {
  const keys = Float64Array.from(characters, (length, row) => -length * 2 ** 32 + row).sort();
  return Uint32Array.from(keys, (key) => key - Math.floor(key / 2 ** 32) * 2 ** 32);
}

const SPACE = 0x20;

/** Parts between white space. */
function wordsIn(text: string): number {
  let count = 0;
  let isWord = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const isSpace = code <= SPACE || code === 0xa0 || (code >= 0x2000 && code <= 0x200a) || code === 0x3000;
    if (!isSpace && !isWord) count++;
    isWord = !isSpace;
  }
  return count;
}
