import { pearson } from "./pearson.js";

/**
 * Spearman's rank correlation, in [-1, 1]: Pearson's of the ranks, equal values sharing the mean of their ranks. 0 where
 * one side is constant. Throws METRIC_ROWS and METRIC_NOT_FINITE.
 */
export function spearman(references: ArrayLike<number>, predictions: ArrayLike<number>): number {
  // A NaN has no rank; ranks of it stay NaN, so that pearson's check names its row.
  return pearson(averageRanks(references), averageRanks(predictions));
}

/** Ranks from 1, equal values sharing the mean of theirs; a value that is not finite keeps itself as rank. */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, row) => row).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    const value = values[order[first]!]!;
    let end = first + 1;
    while (end < order.length && values[order[end]!] === value) end++;
    const shared = Number.isFinite(value) ? (first + 1 + end) / 2 : value;
    for (let place = first; place < end; place++) ranks[order[place]!] = shared;
    first = end;
  }
  return ranks;
}
