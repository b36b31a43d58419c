import { UsageError } from "../common/errors.js";
import { shuffler } from "./random.js";

export interface SearchSplit {
  /** Row numbers of the lower level. */
  readonly lower: readonly number[];
  /** Row numbers of the upper level. */
  readonly upper: readonly number[];
}

export interface SplitOptions {
  /** The lower level's share, rounded down to whole rows. */
  readonly fraction: number;
  /** Off: the first rows are the lower level's. */
  readonly shuffle: boolean;
  readonly seed: number;
}

/**
 * Splits training rows in two, for a bilevel search or to hold some of them out.
 * @throws UsageError if one level would have no row.
 */
export function splitForSearch(rows: number, { fraction, shuffle, seed }: SplitOptions): SearchSplit {
  const order = Array.from({ length: rows }, (_, row) => row);
  const cut = Math.floor(fraction * rows);
  if (!(cut >= 1 && cut < rows)) {
    throw new UsageError(
      `A search and rows that are held out need two parts, but a fraction of ${fraction} of ${rows} rows leaves one of them none.`,
    );
  }
  // Stream -1 is no pass's, so the split is not the order of the first pass.
  if (shuffle) shuffler(seed, -1)(order);
  return { lower: order.slice(0, cut), upper: order.slice(cut) };
}
