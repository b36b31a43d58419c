import type { Metric } from "./metric.js";
import { correlation, correlationOfRows, type NumberPair } from "./pearson.js";

/**
 * `spearman`: the rank correlation, in [-1, 1]: Pearson's of the ranks, equal values sharing the mean of their ranks. 0
 * where one side is constant. Throws METRIC_NOT_FINITE.
 */
export function spearman(): Metric<number, number, NumberPair> {
  return correlationOfRows("spearman", (references, predictions) =>
    correlation(averageRanks(references), averageRanks(predictions)),
  );
}

/** Ranks from 1, equal values sharing the mean of theirs. */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, row) => row).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let index = first; index < end; index++) ranks[order[index]!] = (first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}
