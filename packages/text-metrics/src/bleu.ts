import { mtevalWords } from "./mtevalWords.js";
import { inCommon, mostOften, ngramsUpTo, total } from "./ngrams.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";

const LONGEST = 4;

/** What BLEU adds up over rows; index 0 is of single words. */
export interface BleuRow {
  /** N-grams of the text that a reference has too, each as often as the reference that has it most often. */
  readonly hits: readonly number[];
  readonly ngrams: readonly number[];
  readonly length: number;
  /** Length of the reference that is closest to the text's, the shorter of two; of those that have a word. */
  readonly referenceLength: number;
}

/**
 * `bleu` over all rows together, a fraction in [0, 1] (papers print it times 100): the geometric mean of the precisions of
 * n-grams up to 4 words, times the brevity penalty (Papineni et al. 2002, section 2.3). Words are mteval-v13a's. Where no
 * n-gram of some length was met, half a one counts as met, of the next such length a quarter and so on; a length of which
 * the texts have no n-gram at all is left out, as a precision of 1.
 *
 * It is what the E2E challenge's script prints as it is called by default: by its Perl program, NIST's mteval-v13a, but that
 * a reference without words is none here even if it comes first. sacrebleu gives the same with `tokenize="13a"`,
 * `lowercase=True`, but has 0 where no word was met or a length is missing; the challenge's Python program (`-p`) gives the
 * same for texts of four words or more, but counts 1e-15 as met where nothing was. Both split words otherwise in two places
 * (see `mtevalWords`). On 616 outputs of the challenge's kind, whole and with words left out, all three agree.
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

/** The length that differs least from `length`, the smaller of two; 0 of none. */
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
