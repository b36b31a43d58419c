/** Parts of the training examples: limited, held out, and split for a bilevel search. */
import { rollup } from "d3-array";
import { evenSizes, formatCount, shuffler, UsageError } from "../../base/index.js";
import { type RowSeed, rowSeed } from "./order.js";

export interface SubsetOptions<Item = never> extends Shuffling {
  /** How many examples to train on; by default all. */
  readonly trainLimit?: number | undefined;
  /** The share of these that is held out; by default none. */
  readonly holdoutFraction?: number | undefined;
  /** The groups of the examples, of which each is held out as a whole or not at all. */
  readonly groupsOf?: ((examples: readonly Item[]) => Groups) | undefined;
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
  { trainLimit, holdoutFraction, groupsOf, ...options }: SubsetOptions<Item>,
): Subsets<Item> {
  const chosen = trainLimit === undefined ? examples : sampled(examples, trainLimit, options);
  if (holdoutFraction === undefined) return { train: chosen, holdout: undefined };
  const how = { ...options, fraction: rest(holdoutFraction), groups: groupsOf?.(chosen) };
  const { lower, upper } = splitForSearch(chosen.length, how);
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

/** The group of each example, as any number. */
export type Groups = ArrayLike<number>;

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
  /** With them no group is split: the share is met as closely as they allow, and the examples are shuffled. */
  readonly groups?: Groups | undefined;
}

/** A share of some rows, rounded down. In binary, 0.7 of 90 is slightly less than 63. */
export const countOfShare = (share: number, rows: number): number => Math.floor(Number((share * rows).toFixed(9)));

/**
 * Splits training examples in two, for a bilevel search or a hold-out set.
 * @throws UsageError if one part would have no examples
 */
export function splitForSearch(examples: number, { fraction, groups, ...shuffling }: SplitOptions): SearchSplit {
  const cut = countOfShare(fraction, examples);
  if (!(cut >= 1 && cut < examples)) {
    throw new UsageError(
      `A search or a hold-out set needs two parts, but a fraction of ${fraction} of ${examples} rows leaves one of them empty.`,
    );
  }
  const order = orderOf(examples, shuffling);
  return groups
    ? splitByGroups(order, examples - cut, groups)
    : { lower: order.slice(0, cut), upper: order.slice(cut) };
}

/**
 * From the end of the order, the upper level takes each group that still has room; without larger groups this is the split of single examples.
 * @param room how many examples the upper level is to have, at most
 */
function splitByGroups(order: readonly number[], room: number, groups: Groups): SearchSplit {
  const sizes = sizesOf(order, groups);
  const taken = new Set<number>();
  let left = room;
  for (const group of new Set(order.toReversed().map((example) => groups[example]!))) {
    const size = sizes.get(group)!;
    if (size > left) continue;
    taken.add(group);
    left -= size;
  }
  if (left === room) throw noGroupFits(order.length, room, Math.max(...sizes.values()));
  const isUpper = (example: number) => taken.has(groups[example]!);
  return { lower: order.filter((example) => !isUpper(example)), upper: order.filter(isUpper) };
}

const sizesOf = (examples: readonly number[], groups: Groups): Map<number, number> =>
  rollup(
    examples,
    ({ length }) => length,
    (example) => groups[example]!,
  );

const noGroupFits = (examples: number, room: number, largest: number): UsageError =>
  new UsageError(
    `--holdout-groups keeps groups of nested rows together, but each is larger than the ${formatCount(room)} rows to hold out (the largest has ${formatCount(largest)} of ${formatCount(examples)}): give a larger number, --holdout-groups=N, so that only texts of at least N words join rows.`,
  );

interface FoldOptions extends Shuffling, Pick<SplitOptions, "groups"> {
  readonly folds: number;
}

/**
 * Splits training examples into folds of equal size, the first ones an example larger where needed, as scikit-learn's `KFold` does. With
 * groups, the folds are as equal as these allow.
 * @returns the example numbers of each fold
 * @throws UsageError for more folds than examples or groups
 */
export function foldsForSearch(
  examples: number,
  { folds, groups, ...options }: FoldOptions,
): readonly (readonly number[])[] {
  if (folds > examples) throw new UsageError(`--search-folds ${folds} is more than the ${examples} training rows.`);
  const order = orderOf(examples, options);
  if (groups) return foldsOfGroups(order, folds, groups);
  const parts: number[][] = [];
  let start = 0;
  for (const size of evenSizes(examples, folds)) {
    parts.push(order.slice(start, start + size));
    start += size;
  }
  return parts;
}

/** Groups from the largest to the smallest, each into the fold with the fewest examples, as scikit-learn's `GroupKFold` does. */
function foldsOfGroups(order: readonly number[], folds: number, groups: Groups): readonly (readonly number[])[] {
  const sizes = [...sizesOf(order, groups)].sort(([, a], [, b]) => b - a);
  if (folds > sizes.length)
    throw new UsageError(`--search-folds ${folds} is more than the ${sizes.length} groups of --holdout-groups.`);
  const counts = Array<number>(folds).fill(0);
  const foldOf = new Map(
    sizes.map(([group, size]) => {
      const fold = counts.indexOf(Math.min(...counts));
      counts[fold]! += size;
      return [group, fold];
    }),
  );
  return counts.map((_, fold) => order.filter((example) => foldOf.get(groups[example]!) === fold));
}

function orderOf(examples: number, { shuffle, ...seeds }: Shuffling): number[] {
  const order = Array.from({ length: examples }, (_, example) => example);
  // Passes use streams from 0, so the split differs from the order of the first pass.
  return shuffle ? shuffler(rowSeed(seeds), -1)(order) : order;
}
