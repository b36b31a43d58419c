/** Ranks, which correlations and tests share. */

/** Ranks from 1; equal values get the mean of their ranks. */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, example) => example).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let index = first; index < end; index++) ranks[order[index]!] = (first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}
