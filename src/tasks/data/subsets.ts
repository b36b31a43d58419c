/** Parts of the training examples: limited, held out, and split for a bilevel search. */
import { evenSizes, shuffler, UsageError } from "../../base/index.js";
import { type RowSeed, rowSeed } from "./order.js";

export interface SubsetOptions extends Shuffling {
  /** How many examples to train on; by default all. */
  readonly trainLimit?: number | undefined;
  /** The share of these that is held out; by default none. */
  readonly holdoutFraction?: number | undefined;
}

/** The examples to train on, and those that are held out. */
export interface Subsets<Item> {
  readonly train: readonly Item[];
  readonly holdout: readonly Item[] | undefined;
}

/**
 * The examples to train on, in their order: a random sample by the seed (the first ones without `shuffle`), without those that are held out.
 * Those are the examples of BiDoRA's upper level at the same share and seed.
 * @throws UsageError for more examples than there are, and if no example would be left
 */
export function subsetsOf<Item>(
  examples: readonly Item[],
  { trainLimit, holdoutFraction, ...options }: SubsetOptions,
): Subsets<Item> {
  const chosen = trainLimit === undefined ? examples : sampled(examples, trainLimit, options);
  if (holdoutFraction === undefined) return { train: chosen, holdout: undefined };
  const { lower, upper } = splitForSearch(chosen.length, { ...options, fraction: rest(holdoutFraction) });
  const pick = (indices: readonly number[]) => inOrder(indices).map((index) => chosen[index] as Item);
  return { train: pick(lower), holdout: pick(upper) };
}

/** The rest of a share, to 12 decimals: in binary 1 − 0.8 is slightly less than 0.2, and a fifth of ten examples would be one example. */
const rest = (fraction: number): number => Number((1 - fraction).toFixed(12));

function sampled<Item>(examples: readonly Item[], count: number, { shuffle, ...seeds }: Shuffling): readonly Item[] {
  if (count > examples.length)
    throw new UsageError(`--train-limit ${count} is more than the ${examples.length} training rows.`);
  if (!shuffle) return examples.slice(0, count);
  // Passes use streams from 0, the search uses -1.
  const order = shuffler(rowSeed(seeds), -2)(examples.map((_, example) => example));
  return inOrder(order.slice(0, count)).map((example) => examples[example] as Item);
}

const inOrder = (indices: readonly number[]): readonly number[] => indices.toSorted((a, b) => a - b);

interface SearchSplit {
  /** Example numbers of the lower level. */
  readonly lower: readonly number[];
  /** Example numbers of the upper level. */
  readonly upper: readonly number[];
}

interface Shuffling extends RowSeed {
  /** Otherwise examples keep their order: the first ones are taken, and are the lower level's. */
  readonly shuffle: boolean;
}

interface SplitOptions extends Shuffling {
  /** The lower level's share, rounded down to examples. */
  readonly fraction: number;
}

/**
 * Splits training examples in two, for a bilevel search or a hold-out set.
 * @throws UsageError if one part would have no examples
 */
export function splitForSearch(examples: number, { fraction, ...shuffling }: SplitOptions): SearchSplit {
  const cut = Math.floor(fraction * examples);
  if (!(cut >= 1 && cut < examples)) {
    throw new UsageError(
      `A search or a hold-out set needs two parts, but a fraction of ${fraction} of ${examples} rows leaves one of them empty.`,
    );
  }
  const order = orderOf(examples, shuffling);
  return { lower: order.slice(0, cut), upper: order.slice(cut) };
}

interface FoldOptions extends Shuffling {
  readonly folds: number;
}

/**
 * Splits training examples into folds of equal size, the first ones an example larger where needed, as scikit-learn's `KFold` does.
 * @returns the example numbers of each fold
 * @throws UsageError for more folds than examples
 */
export function foldsForSearch(examples: number, { folds, ...options }: FoldOptions): readonly (readonly number[])[] {
  if (folds > examples) throw new UsageError(`--search-folds ${folds} is more than the ${examples} training rows.`);
  const order = orderOf(examples, options);
  const parts: number[][] = [];
  let start = 0;
  for (const size of evenSizes(examples, folds)) {
    parts.push(order.slice(start, start + size));
    start += size;
  }
  return parts;
}

function orderOf(examples: number, { shuffle, ...seeds }: Shuffling): number[] {
  const order = Array.from({ length: examples }, (_, example) => example);
  // Passes use streams from 0, so the split differs from the order of the first pass.
  return shuffle ? shuffler(rowSeed(seeds), -1)(order) : order;
}
