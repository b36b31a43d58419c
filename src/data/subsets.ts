import { UsageError } from "../common/errors.js";
import { shuffler } from "../common/seededGenerator.js";
import { type SplitOptions, splitForSearch } from "./split.js";

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
