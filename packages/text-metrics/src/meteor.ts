import { align } from "./meteorAlignment.js";
import { meteorWords } from "./meteorWords.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";
import { requireWordnet } from "./wordnet.js";

/** METEOR 1.5's parameters for English, task `rank`. */
const [ALPHA, BETA, GAMMA, DELTA] = [0.85, 0.2, 0.6, 0.75];

/** What a match counts that is the same word, has the same stem, is a synonym. */
const WEIGHTS = [1, 0.6, 0.8];

/** Words that count 1 − δ, others δ: METEOR's list for English, words that make up more than a thousandth of texts. */
const FUNCTION_WORDS = new Set(
  (
    "the , . to of and a in that for \" is on 's it with was as said at he by be from have has are his but an this not i will ’ " +
    "they ) -rrb- ( -lrb- who their had we which were been more or s its would about new one after you : also up when there " +
    "than $ all out her people she year two - can if last first “ over other ” into some what so -- no time years could ? 't — '"
  ).split(" "),
);

/** What METEOR adds up over rows, of each row's best reference. */
export interface MeteorRow {
  readonly words: number;
  readonly referenceWords: number;
  /** Words of the text that are aligned, as many as of the reference. */
  readonly matches: number;
  readonly chunks: number;
  /** Words of the text and of the reference, and those of them that are aligned, by their weights. */
  readonly weight: number;
  readonly referenceWeight: number;
  readonly matched: number;
  readonly referenceMatched: number;
}

/**
 * `meteor` over all rows together, a fraction in [0, 1] (papers print it times 100): the harmonic mean of precision and
 * recall of aligned words, less for words out of order (Denkowski and Lavie 2014, section 2). Words are aligned that are
 * the same, have the same stem (Porter's second stemmer) or a meaning in common (WordNet 3.0); each row counts with the
 * reference that gives it most, and sums over rows are put into the formula, as METEOR's program does.
 *
 * It is what METEOR 1.5 gives with `-norm -m "exact stem synonym" -w "1.0 0.6 0.8"` on the words that pycocoevalcap hands
 * it. The E2E challenge's script has it match paraphrases too, by a table of 62 MB, and these are not here: on texts that
 * people wrote for the challenge's 616 test meanings that have several, each against the others of its meaning, this gives
 * 0.4526 where the script has 0.4549, and on such texts with words lost, swapped and replaced 0.3594 where it has 0.3628. Of
 * single rows the difference is 0.003 and 0.005 on average, 0.37 at most. Compare figures of the two with that in mind.
 * WordNet is read when the first text is measured that needs it.
 */
export function meteor(): TextMetric<MeteorRow> {
  return {
    values: { meteor: MORE_IS_BETTER },
    measure(references, prediction, row) {
      requireWordnet();
      const words = meteorWords(prediction);
      let best: MeteorRow | undefined;
      for (const reference of atLeastOneReference(references, row)) {
        const found = meteorRow(words, meteorWords(reference));
        if (best === undefined || meteorScore([found]) > meteorScore([best])) best = found;
      }
      return best!;
    },
    result(rows) {
      atLeastOne(rows.length);
      return { meteor: meteorScore(rows) };
    },
  };
}

function meteorRow(words: readonly string[], reference: readonly string[]): MeteorRow {
  const { matches, chunks } = align(words, reference);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return {
    words: words.length,
    referenceWords: reference.length,
    matches: matches.length,
    chunks,
    weight: sum(words.map(wordWeight)),
    referenceWeight: sum(reference.map(wordWeight)),
    matched: sum(matches.map(({ at, module }) => wordWeight(words[at]!) * WEIGHTS[module]!)),
    referenceMatched: sum(matches.map(({ to, module }) => wordWeight(reference[to]!) * WEIGHTS[module]!)),
  };
}

const wordWeight = (word: string): number => (FUNCTION_WORDS.has(word) ? 1 - DELTA : DELTA);

function meteorScore(rows: readonly MeteorRow[]): number {
  let [matches, chunks, weight, referenceWeight, matched, referenceMatched] = [0, 0, 0, 0, 0, 0];
  for (const row of rows) {
    matches += row.matches;
    // A text that is its reference has no chunk: none of its words is out of order.
    chunks += row.chunks === 1 && row.matches === row.words && row.matches === row.referenceWords ? 0 : row.chunks;
    weight += row.weight;
    referenceWeight += row.referenceWeight;
    matched += row.matched;
    referenceMatched += row.referenceMatched;
  }
  if (matches === 0) return 0;
  const [precision, recall] = [matched / weight, referenceMatched / referenceWeight];
  const mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall);
  return mean * (1 - GAMMA * (chunks / matches) ** BETA);
}
