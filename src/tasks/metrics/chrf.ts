/** chrF and chrF++: F-scores of the n-grams that a text has in common with a reference, as sacrebleu 2 computes them by default. */
import { atLeastOne, atLeastOneReference, HIGHER_IS_BETTER } from "./parts/metric.js";
import { overSums } from "./parts/sums.js";
import { countInCommon, splitWords } from "./parts/words.js";
import type { TextMetric } from "./textMetrics.js";

const LONGEST_OF_CHARACTERS = 6;
const LONGEST_OF_WORDS = 2;

/** The weight of recall relative to precision (Popović 2016: chrF2). */
const BETA = 2;

/**
 * `chrf`, chrF over all examples together, a fraction in [0, 1] (Popović 2015, section 2): F of the n-grams of 1 to 6 characters, with
 * β = 2 and without whitespace. All as sacrebleu's `CHRF()`: characters are code points, an example counts with the reference that
 * alone gives it the highest score, and precision and recall are means over the lengths of which both texts have n-grams, 0 if there are none.
 */
export const chrf = (): TextMetric<readonly number[]> => ngramF("chrf", charactersOf);

/** `chrfPlusPlus`, chrF++ (Popović 2017): `chrf` that also counts n-grams of 1 and 2 words, as sacrebleu's `CHRF(word_order=2)`. */
export const chrfPlusPlus = (): TextMetric<readonly number[]> =>
  ngramF("chrfPlusPlus", (text) => [...charactersOf(text), ...wordsOf(text)]);

/** The n-grams of a text, a list for each length. */
type Ngrams = readonly (readonly string[])[];

/** What is counted for each length: n-grams of the prediction, of the reference, and of both. */
const COUNTS = 3;

function ngramF(name: string, ngramsOf: (text: string) => Ngrams): TextMetric<readonly number[]> {
  return overSums(
    { [name]: HIGHER_IS_BETTER },
    (references, prediction, example) => {
      const found = ngramsOf(prediction);
      const each = atLeastOneReference(references, example).map((text) => countsOf(found, ngramsOf(text)));
      // Of equal scores the first counts.
      return each.reduce((best, counts) => (fOf(counts) > fOf(best) ? counts : best));
    },
    () => ({
      width: COUNTS * ngramsOf("").length,
      add(counts, sums) {
        for (const [i, count] of counts.entries()) sums[i]! += count;
      },
      result(sums, examples) {
        atLeastOne(examples);
        return { [name]: fOf(sums) };
      },
    }),
  );
}

/** The counts of all lengths. The prediction's n-grams are not counted for a length of which the reference has none. */
const countsOf = (found: Ngrams, known: Ngrams): number[] =>
  known.flatMap((ngrams, i) => [
    ngrams.length > 0 ? found[i]!.length : 0,
    ngrams.length,
    countInCommon(found[i]!, ngrams),
  ]);

/** F_β of mean precision and mean recall, in sacrebleu's order of operations: rounding may decide between references. */
function fOf(counts: ArrayLike<number>): number {
  let [precision, recall, lengths] = [0, 0, 0];
  for (let i = 0; i < counts.length; i += COUNTS) {
    const [found, known, common] = [counts[i]!, counts[i + 1]!, counts[i + 2]!];
    if (found === 0 || known === 0) continue;
    precision += common / found;
    recall += common / known;
    lengths++;
  }
  if (precision === 0) return 0;
  precision /= lengths;
  recall /= lengths;
  return ((1 + BETA ** 2) * precision * recall) / (BETA ** 2 * precision + recall);
}

/** N-grams of code points, across words: a JavaScript string's own elements would split those beyond the basic plane. */
const charactersOf = (text: string): Ngrams =>
  ngramsUpTo(
    splitWords(text).flatMap((word) => Array.from(word)),
    LONGEST_OF_CHARACTERS,
  );

/** A punctuation mark at a word's end, or else at its start: Python's `string.punctuation`. */
const MARKED = /^(?:(.+)([!-/:-@[-`{-~])|([!-/:-@[-`{-~])(.+))$/;

/** N-grams of words, from which one punctuation mark is split. */
const wordsOf = (text: string): Ngrams =>
  ngramsUpTo(
    splitWords(text).flatMap((word) => MARKED.exec(word)?.slice(1).filter(Boolean) ?? [word]),
    LONGEST_OF_WORDS,
  );

/** The n-grams for n from 1 to `longest`. Neither characters nor words have spaces, which stand between them here. */
const ngramsUpTo = (elements: readonly string[], longest: number): Ngrams =>
  Array.from({ length: longest }, (_, i) =>
    Array.from({ length: Math.max(elements.length - i, 0) }, (_, start) =>
      elements.slice(start, start + i + 1).join(" "),
    ),
  );
