import { atLeastOne } from "./checks.js";
import type { TextMetric } from "./textMetric.js";
import { mtevalWords } from "./texts/mtevalWords.js";
import { inCommon, mostOften, ngramsUpTo, total } from "./texts/ngrams.js";
import { atLeastOneReference } from "./texts/references.js";

const LONGEST = 4;

/** What BLEU adds up over rows; index 0 is of single words. */
export interface BleuRow {
  /** N-grams of the text that a reference has too, each as often as the reference that has it most often. */
  readonly hits: readonly number[];
  readonly ngrams: readonly number[];
  readonly length: number;
  /** Length of the reference that is closest to the text's, the shorter of two. */
  readonly referenceLength: number;
}

/**
 * `bleu` over all rows together, a fraction in [0, 1] (papers print it times 100): the geometric mean of the precisions of
 * n-grams up to 4 words, times the brevity penalty (Papineni et al. 2002, section 2.3). Words are mteval-v13a's, in small
 * letters. It is 0 where no n-gram of some length was met.
 *
 * It is what sacrebleu gives with `tokenize="13a"`, `lowercase=True`, `smooth_method="none"`, and what the E2E challenge's
 * script gives for texts of four words or more, but for totals without a hit: its Perl program halves a count for each, its
 * Python one (`-p`) puts 1e-15. The latter also counts an empty text as one word, and takes n-grams that a text of fewer
 * than n words lacks off the number of all; here both have none.
 */
export function bleu(): TextMetric<BleuRow> {
  return {
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
          known.map((reference) => reference.length),
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

/** The length that differs least from `length`, the smaller of two. */
function closest(lengths: readonly number[], length: number): number {
  const distance = (other: number) => Math.abs(other - length);
  return lengths.reduce((best, other) =>
    distance(other) < distance(best) || (distance(other) === distance(best) && other < best) ? other : best,
  );
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
  if (hits.includes(0)) return 0;
  const logs = hits.map((count, n) => Math.log(count / ngrams[n]!));
  const precision = Math.exp(logs.reduce((sum, log) => sum + log, 0) / LONGEST);
  return precision * Math.exp(Math.min(0, 1 - referenceLength / length));
}
