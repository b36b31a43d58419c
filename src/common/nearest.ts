import { distance } from "fastest-levenshtein";

/**
 * The candidate that `word` is most likely a misspelling of, or undefined when none is close: two letters off (as two
 * that changed places are), or a third of a longer word.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(Math.max(3, Math.floor(word.length / 3) + 1), word.length);
  for (const candidate of candidates) {
    const apart = distance(word.toLowerCase(), candidate.toLowerCase());
    if (apart < bestDistance) [best, bestDistance] = [candidate, apart];
  }
  return best;
}

/** ` Did you mean "x"?` to append to a message, or nothing when no candidate is close. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, candidates);
  return found === undefined ? "" : ` Did you mean "${found}"?`;
}
