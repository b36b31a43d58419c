/** Questions about the rows of a file: how many have a label or a fault, which they are, and where. */
import { BidoraError, oneLine } from "../../../base/index.js";
import { FLAG, type Flag, type IndexData } from "./indexData.js";

/** What a list of rows can be limited to. */
export type Filter = "all" | "longest" | Flag | `label:${string}`;

export interface LabelCount {
  readonly label: string;
  readonly count: number;
}

/** A bar of a histogram: values from `from` to below `to`, in the last one to `to`. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export class RowIndex {
  readonly #rows = new Map<Filter, Uint32Array>();
  #labels: readonly LabelCount[] | undefined;
  #lengths: readonly Bin[] = [];
  #mostWords: number | undefined;

  constructor(readonly data: IndexData) {}

  get count(): number {
    return this.data.starts.length;
  }

  /** Each label with its number of rows, the most frequent first; undefined if there are none, or too many. */
  get labels(): readonly LabelCount[] | undefined {
    if (this.data.hasManyLabels || this.data.labelSets.length === 0) return undefined;
    this.#labels ??= labelCounts(this.data);
    return this.#labels;
  }

  countOf(filter: Filter): number {
    return filter === "all" || filter === "longest" ? this.count : this.rowsOf(filter)!.length;
  }

  /** The numbers of the rows, from 0, in the order of a list; undefined for all in the order of the file. */
  rowsOf(filter: Filter): Uint32Array | undefined {
    if (filter === "all") return undefined;
    const known = this.#rows.get(filter);
    if (known) return known;
    const rows = filter === "longest" ? this.data.longest : this.#fitting(filter);
    this.#rows.set(filter, rows);
    return rows;
  }

  #fitting(filter: Exclude<Filter, "all" | "longest">): Uint32Array {
    const fits = filter.startsWith("label:")
      ? this.#withLabel(filter.slice("label:".length))
      : withFlag(this.data, FLAG[filter as Flag]);
    const found = new Uint32Array(this.count);
    let count = 0;
    for (let row = 0; row < this.count; row++) if (fits(row)) found[count++] = row;
    return found.slice(0, count);
  }

  #withLabel(label: string): (row: number) => boolean {
    const { labels, labelSets } = this.data;
    const sets = labelSets.map((set) => set.includes(label));
    return (row) => sets[labels[row]!] === true;
  }

  /** The row of a line. @throws BidoraError `STUDIO` for a line without one */
  rowOfLine(line: number): number {
    const { lines } = this.data;
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lines[middle]! < line) low = middle + 1;
      else high = middle;
    }
    if (lines[low] === line) return low;
    throw new BidoraError("STUDIO", `The file has no row in line ${oneLine(String(line))}.`);
  }

  /** Rows by their number of characters: bars up to a length that 99 of 100 rows don't exceed; the last one has all longer rows too. */
  lengths(bars: number): readonly Bin[] {
    if (this.#lengths.length > 0 || this.count === 0) return this.#lengths;
    const { characters, longest } = this.data;
    const most = characters[longest[0]!]!;
    const usual = characters[longest[Math.ceil(0.01 * (this.count - 1))]!]!;
    const width = Math.max(1, Math.ceil((usual + 1) / bars));
    const counts = new Uint32Array(Math.min(bars, Math.floor(most / width) + 1));
    for (const length of characters) counts[Math.min(counts.length - 1, Math.floor(length / width))]!++;
    this.#lengths = Array.from(counts, (count, i) => {
      const end = (i + 1) * width - 1;
      return { from: i * width, to: i === counts.length - 1 ? Math.max(most, end) : end, count };
    });
    return this.#lengths;
  }

  /** The middle and the largest number of characters and words of a row. */
  get typical(): { readonly characters: readonly [number, number]; readonly words: readonly [number, number] } {
    const { characters, words, longest, usualWords } = this.data;
    const at = (place: number) => characters[longest[place] ?? -1] ?? 0;
    this.#mostWords ??= words.reduce((most, count) => Math.max(most, count), 0);
    return { characters: [at(this.count >> 1), at(0)], words: [usualWords, this.#mostWords] };
  }
}

const withFlag =
  ({ flags }: IndexData, flag: number) =>
  (row: number): boolean =>
    (flags[row]! & flag) !== 0;

function labelCounts({ labels, labelSets }: IndexData): readonly LabelCount[] {
  const ofSets = new Uint32Array(labelSets.length);
  for (const set of labels) if (set >= 0) ofSets[set]!++;
  const counts = new Map<string, number>();
  for (const [i, set] of labelSets.entries())
    for (const label of set) counts.set(label, (counts.get(label) ?? 0) + ofSets[i]!);
  return [...counts].map(([label, count]) => ({ label, count })).sort((a, b) => b.count - a.count);
}

/** A filter from an address; all rows for anything else. */
export function filterFrom(text: string | null): Filter {
  if (text === "longest" || (text !== null && Object.hasOwn(FLAG, text))) return text as Filter;
  return text?.startsWith("label:") ? (text as Filter) : "all";
}
