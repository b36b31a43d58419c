import { evenSizes } from "../common/collections.js";
import { UsageError } from "../common/errors.js";
import { shuffler } from "../common/seededGenerator.js";

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
  const cut = Math.floor(fraction * rows);
  if (!(cut >= 1 && cut < rows)) {
    throw new UsageError(
      `A search and rows that are held out need two parts, but a fraction of ${fraction} of ${rows} rows leaves one of them none.`,
    );
  }
  const order = orderOf(rows, { shuffle, seed });
  return { lower: order.slice(0, cut), upper: order.slice(cut) };
}

export interface FoldOptions extends Pick<SplitOptions, "shuffle" | "seed"> {
  readonly folds: number;
}

/**
 * Splits training rows into folds as equal as possible, the larger ones first, as scikit-learn's `KFold` does.
 * @returns the row numbers of each fold
 * @throws UsageError for more folds than rows
 */
export function foldsForSearch(rows: number, { folds, ...options }: FoldOptions): readonly (readonly number[])[] {
  if (folds > rows)
    throw new UsageError(`--search-folds ${folds} is more than the training rows that there are (${rows}).`);
  const order = orderOf(rows, options);
  const parts: number[][] = [];
  let start = 0;
  for (const size of evenSizes(rows, folds)) {
    parts.push(order.slice(start, start + size));
    start += size;
  }
  return parts;
}

function orderOf(rows: number, { shuffle, seed }: Pick<SplitOptions, "shuffle" | "seed">): number[] {
  const order = Array.from({ length: rows }, (_, row) => row);
  // Stream -1 is no pass's, so the split is not the order of the first pass.
  return shuffle ? shuffler(seed, -1)(order) : order;
}
