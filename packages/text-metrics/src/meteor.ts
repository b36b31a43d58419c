/** METEOR 1.5 for English, without paraphrases. */
import { align } from "./meteorAlignment.js";
import { meteorWords } from "./meteorWords.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";
import { requireWordnet } from "./wordnet.js";

/** METEOR 1.5's parameters for English, task `rank`. */
const [ALPHA, BETA, GAMMA, DELTA] = [0.85, 0.2, 0.6, 0.75];

/** The weights of exact, stem and synonym matches. */
const WEIGHTS = [1, 0.6, 0.8];

/** METEOR's list of English function words, which have weight 1 − δ; content words have δ. */
const FUNCTION_WORDS = new Set(
  (
    "the , . to of and a in that for \" is on 's it with was as said at he by be from have has are his but an this not i will ’ " +
    "they ) -rrb- ( -lrb- who their had we which were been more or s its would about new one after you : also up when there " +
    "than $ all out her people she year two - can if last first “ over other ” into some what so -- no time years could ? 't — '"
  ).split(" "),
);

/** The counts of one row against its best reference, which METEOR sums over rows. */
export interface MeteorRow {
  readonly words: number;
  readonly referenceWords: number;
  /** The number of aligned words, the same for text and reference. */
  readonly matches: number;
  readonly chunks: number;
  /** Weighted words of text and reference, and of those the aligned ones. */
  readonly weight: number;
  readonly referenceWeight: number;
  readonly matched: number;
  readonly referenceMatched: number;
}

/**
 * `meteor` over all rows together, a fraction in [0, 1] (papers report it times 100): the harmonic mean of precision and recall of
 * aligned words, with a penalty for word order (Denkowski and Lavie 2014, section 2). Words match if they are equal, have the same
 * stem (Porter's second stemmer) or share a meaning (WordNet 3.0). Each row counts with its best-scoring reference, and the formula
 * is applied to sums over rows, as METEOR's program does.
 *
 * This is what METEOR 1.5 gives with `-norm -m "exact stem synonym" -w "1.0 0.6 0.8"` on the words that pycocoevalcap passes to it.
 * The E2E challenge's script also matches paraphrases, by a table of 62 MB, which this does not: on human texts for the challenge's
 * 616 test meanings with several texts, each scored against the others of its meaning, this gives 0.4526 and the script 0.4549; with
 * words removed, swapped and replaced, 0.3594 and 0.3628. For single rows the difference is 0.003 and 0.005 on average, at most 0.37.
 * Keep that in mind when comparing figures.
 *
 * `measure` throws `WORDNET_MISSING` without the package `wordnet`, whose word lists are read when a text first needs them.
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
    // A text equal to its reference has no penalty for word order.
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
