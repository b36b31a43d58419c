/** How often each n-gram is there; an n-gram is its words with a space between, so no word may have one. */
export type NgramCounts = Map<string, number>;

/** The n-grams of words, for one n, in the order of their first places. */
export function ngramCounts(words: readonly string[], n: number): NgramCounts {
  const counts: NgramCounts = new Map();
  for (let start = 0; start + n <= words.length; start++) {
    const ngram = words.slice(start, start + n).join(" ");
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** The n-grams of words for n from 1 to `longest`: index 0 has single words. */
export function ngramsUpTo(words: readonly string[], longest: number): NgramCounts[] {
  return Array.from({ length: longest }, (_, index) => ngramCounts(words, index + 1));
}

/** For each n-gram of several texts, how often it is in the text that has it most often. */
export function mostOften(texts: readonly NgramCounts[]): NgramCounts {
  const most: NgramCounts = new Map();
  for (const text of texts) {
    for (const [ngram, count] of text) {
      if (count > (most.get(ngram) ?? 0)) most.set(ngram, count);
    }
  }
  return most;
}

/** The n-grams that both have, each as often as the one that has it less often. */
export function inCommon(a: NgramCounts, b: NgramCounts): NgramCounts {
  const common: NgramCounts = new Map();
  for (const [ngram, count] of a) {
    const other = b.get(ngram);
    if (other !== undefined) common.set(ngram, Math.min(count, other));
  }
  return common;
}

/** Adds counts to others, in place. */
export function addCounts(sums: NgramCounts, counts: NgramCounts): void {
  for (const [ngram, count] of counts) sums.set(ngram, (sums.get(ngram) ?? 0) + count);
}

export function total(counts: NgramCounts): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
