/** BLEU, as NIST's mteval-v13a computes it. */
import { mtevalWords } from "./mtevalWords.js";
import { inCommon, mostOften, ngramsUpTo, total } from "./ngrams.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";

const LONGEST = 4;

/** The counts of one row, which BLEU sums over rows; index n − 1 is for n-grams. */
export interface BleuRow {
  /** N-grams of the text that match a reference, clipped to the maximum count in any reference. */
  readonly hits: readonly number[];
  readonly ngrams: readonly number[];
  readonly length: number;
  /** The length of the reference closest in length, the shorter of two; references without words are ignored. */
  readonly referenceLength: number;
}

/**
 * `bleu` over all rows together, a fraction in [0, 1] (papers report it times 100): the geometric mean of n-gram precisions for
 * n up to 4, times the brevity penalty (Papineni et al. 2002, section 2.3). Words are mteval-v13a's. Smoothing: the first n without
 * matches counts half a match, the next such n a quarter, and so on; an n for which the texts have no n-grams has precision 1.
 *
 * This is what the E2E challenge's script prints by default, which runs NIST's Perl program mteval-v13a. One difference: a
 * reference without words is ignored here even if it comes first. sacrebleu gives the same with `tokenize="13a"`,
 * `lowercase=True`, except for 0 if no word matches or an n is missing. The challenge's Python program (`-p`) gives the same for
 * texts of four words or more, but smooths with 1e-15 matches. Both differ in two places of tokenizing (see `mtevalWords`). On 616
 * outputs like the challenge's, complete and with words removed, all three agree.
 */
export function bleu(): TextMetric<BleuRow> {
  return {
    values: { bleu: MORE_IS_BETTER },
    measure(references, prediction, row) {
      const words = mtevalWords(prediction);
      const known = atLeastOneReference(references, row).map(mtevalWords);
      const theirs = known.map((reference) => ngramsUpTo(reference, LONGEST));
      const ours = ngramsUpTo(words, LONGEST);
      return {
        hits: ours.map((counts, n) => total(inCommon(counts, mostOften(theirs.map((reference) => reference[n]!))))),
        ngrams: ours.map(total),
        length: words.length,
        referenceLength: closest(
          known.map((reference) => reference.length).filter((count) => count > 0),
          words.length,
        ),
      };
    },
    result(rows) {
      atLeastOne(rows.length);
      return { bleu: corpusBleu(rows) };
    },
  };
}

/** The length closest to `length`, the smaller of two; 0 for no lengths. */
function closest(lengths: readonly number[], length: number): number {
  const distance = (other: number) => Math.abs(other - length);
  const closer = (best: number, other: number) =>
    distance(other) < distance(best) || (distance(other) === distance(best) && other < best) ? other : best;
  return lengths.length === 0 ? 0 : lengths.reduce(closer);
}

function corpusBleu(rows: readonly BleuRow[]): number {
  const [hits, ngrams] = [new Array<number>(LONGEST).fill(0), new Array<number>(LONGEST).fill(0)];
  let [length, referenceLength] = [0, 0];
  for (const row of rows) {
    for (let n = 0; n < LONGEST; n++) {
      hits[n]! += row.hits[n]!;
      ngrams[n]! += row.ngrams[n]!;
    }
    length += row.length;
    referenceLength += row.referenceLength;
  }
  if (length === 0) return 0;
  const mean = logPrecisions(hits, ngrams).reduce((sum, log) => sum + log, 0) / LONGEST;
  return Math.exp(mean + Math.min(0, 1 - referenceLength / length));
}

function logPrecisions(hits: readonly number[], ngrams: readonly number[]): number[] {
  let smoothed = 1;
  return hits.map((met, n) => {
    if (ngrams[n] === 0) return 0;
    if (met === 0) smoothed /= 2;
    return Math.log((met === 0 ? smoothed : met) / ngrams[n]!);
  });
}
