/** Counting n-grams. */
/** Counts of n-grams. An n-gram is written as its words joined by spaces, so words must not contain spaces. */
export type NgramCounts = Map<string, number>;

/** The n-grams of some words for one n, in order of first occurrence. */
export function ngramCounts(words: readonly string[], n: number): NgramCounts {
  const counts: NgramCounts = new Map();
  for (let start = 0; start + n <= words.length; start++) {
    const ngram = words.slice(start, start + n).join(" ");
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** The n-grams of some words for n from 1 to `longest`, at index n − 1. */
export function ngramsUpTo(words: readonly string[], longest: number): NgramCounts[] {
  return Array.from({ length: longest }, (_, index) => ngramCounts(words, index + 1));
}

/** The maximum count of each n-gram over several texts. */
export function mostOften(texts: readonly NgramCounts[]): NgramCounts {
  const most: NgramCounts = new Map();
  for (const text of texts) {
    for (const [ngram, count] of text) {
      if (count > (most.get(ngram) ?? 0)) most.set(ngram, count);
    }
  }
  return most;
}

/** The n-grams of both with the smaller of their counts. */
export function inCommon(a: NgramCounts, b: NgramCounts): NgramCounts {
  const common: NgramCounts = new Map();
  for (const [ngram, count] of a) {
    const other = b.get(ngram);
    if (other !== undefined) common.set(ngram, Math.min(count, other));
  }
  return common;
}

/** Adds counts to `sums` in place. */
export function addCounts(sums: NgramCounts, counts: NgramCounts): void {
  for (const [ngram, count] of counts) sums.set(ngram, (sums.get(ngram) ?? 0) + count);
}

export function total(counts: NgramCounts): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
