import { evenSizes } from "../common/collections.js";
import { UsageError } from "../common/errors.js";
import { shuffler } from "../common/seededGenerator.js";

export interface SubsetOptions extends Pick<SplitOptions, "shuffle" | "seed"> {
  /** So many rows are trained on; all if absent. */
  readonly trainLimit?: number | undefined;
  /** The share of those that is held out; none if absent. */
  readonly holdoutFraction?: number | undefined;
}

/** Training rows, and those of them that are held out. */
export interface Subsets<Row> {
  readonly train: readonly Row[];
  readonly holdout: readonly Row[] | undefined;
}

/**
 * The rows that are trained on, in their order: a number of them that the seed draws (the first ones where nothing is drawn),
 * without those that are held out. These are the rows that BiDoRA's upper level takes at the same share and seed.
 * @throws UsageError for more rows than there are, and where nothing would be left
 */
export function subsetsOf<Row>(
  rows: readonly Row[],
  { trainLimit, holdoutFraction, ...options }: SubsetOptions,
): Subsets<Row> {
  const chosen = trainLimit === undefined ? rows : drawn(rows, trainLimit, options);
  if (holdoutFraction === undefined) return { train: chosen, holdout: undefined };
  const { lower, upper } = splitForSearch(chosen.length, { ...options, fraction: rest(holdoutFraction) });
  const pick = (indices: readonly number[]) => inOrder(indices).map((index) => chosen[index] as Row);
  return { train: pick(lower), holdout: pick(upper) };
}

/** What a share leaves, to 12 decimals: 1 − 0.8 is a little less than 0.2 in binary, and a fifth of ten rows would be one of them. */
const rest = (fraction: number): number => Number((1 - fraction).toFixed(12));

function drawn<Row>(
  rows: readonly Row[],
  count: number,
  { shuffle, seed }: Pick<SplitOptions, "shuffle" | "seed">,
): readonly Row[] {
  if (count > rows.length)
    throw new UsageError(`--train-limit ${count} is more than the ${rows.length} training rows that there are.`);
  if (!shuffle) return rows.slice(0, count);
  // Stream -2 is neither a pass's nor the search's.
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

interface FoldOptions extends Pick<SplitOptions, "shuffle" | "seed"> {
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
