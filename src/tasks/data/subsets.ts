/** Parts of the training rows: limited, held out, and split for a bilevel search. */
import { evenSizes, shuffler, UsageError } from "../../base/index.js";

export interface SubsetOptions extends Pick<SplitOptions, "shuffle" | "seed"> {
  /** How many rows to train on; by default all. */
  readonly trainLimit?: number | undefined;
  /** The share of these that is held out; by default none. */
  readonly holdoutFraction?: number | undefined;
}

/** The rows to train on, and those that are held out. */
export interface Subsets<Row> {
  readonly train: readonly Row[];
  readonly holdout: readonly Row[] | undefined;
}

/**
 * The rows to train on, in their order: a random sample by the seed (the first rows without `shuffle`), without the held-out rows.
 * Those are the rows of BiDoRA's upper level at the same share and seed.
 * @throws UsageError for more rows than there are, and if no row would be left
 */
export function subsetsOf<Row>(
  rows: readonly Row[],
  { trainLimit, holdoutFraction, ...options }: SubsetOptions,
): Subsets<Row> {
  const chosen = trainLimit === undefined ? rows : sampled(rows, trainLimit, options);
  if (holdoutFraction === undefined) return { train: chosen, holdout: undefined };
  const { lower, upper } = splitForSearch(chosen.length, { ...options, fraction: rest(holdoutFraction) });
  const pick = (indices: readonly number[]) => inOrder(indices).map((index) => chosen[index] as Row);
  return { train: pick(lower), holdout: pick(upper) };
}

/** The rest of a share, to 12 decimals: in binary 1 − 0.8 is slightly less than 0.2, and a fifth of ten rows would be one row. */
const rest = (fraction: number): number => Number((1 - fraction).toFixed(12));

function sampled<Row>(
  rows: readonly Row[],
  count: number,
  { shuffle, seed }: Pick<SplitOptions, "shuffle" | "seed">,
): readonly Row[] {
  if (count > rows.length)
    throw new UsageError(`--train-limit ${count} is more than the ${rows.length} training rows.`);
  if (!shuffle) return rows.slice(0, count);
  // Passes use streams from 0, the search uses -1.
  const order = shuffler(seed, -2)(rows.map((_, row) => row));
  return inOrder(order.slice(0, count)).map((row) => rows[row] as Row);
}

const inOrder = (indices: readonly number[]): readonly number[] => indices.toSorted((a, b) => a - b);

interface SearchSplit {
  /** Row numbers of the lower level. */
  readonly lower: readonly number[];
  /** Row numbers of the upper level. */
  readonly upper: readonly number[];
}

interface SplitOptions {
  /** The lower level's share, rounded down to rows. */
  readonly fraction: number;
  /** Otherwise the first rows are the lower level's. */
  readonly shuffle: boolean;
  readonly seed: number;
}

/**
 * Splits training rows in two, for a bilevel search or a hold-out set.
 * @throws UsageError if one part would have no rows
 */
export function splitForSearch(rows: number, { fraction, shuffle, seed }: SplitOptions): SearchSplit {
  const cut = Math.floor(fraction * rows);
  if (!(cut >= 1 && cut < rows)) {
    throw new UsageError(
      `A search or a hold-out set needs two parts, but a fraction of ${fraction} of ${rows} rows leaves one of them empty.`,
    );
  }
  const order = orderOf(rows, { shuffle, seed });
  return { lower: order.slice(0, cut), upper: order.slice(cut) };
}

interface FoldOptions extends Pick<SplitOptions, "shuffle" | "seed"> {
  readonly folds: number;
}

/**
 * Splits training rows into folds of equal size, the first ones a row larger where needed, as scikit-learn's `KFold` does.
 * @returns the row numbers of each fold
 * @throws UsageError for more folds than rows
 */
export function foldsForSearch(rows: number, { folds, ...options }: FoldOptions): readonly (readonly number[])[] {
  if (folds > rows) throw new UsageError(`--search-folds ${folds} is more than the ${rows} training rows.`);
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
  // Passes use streams from 0, so the split differs from the order of the first pass.
  return shuffle ? shuffler(seed, -1)(order) : order;
}
