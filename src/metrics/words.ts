import { BidoraError } from "../common/errors.js";
import { atLeastOne } from "./checks.js";
import { type Metric, MORE_IS_BETTER } from "./metric.js";
import { overSums } from "./sums.js";

/** The reference labels of one row's words. */
export type WordLabels = readonly string[];

/** The predicted labels of one row's words; null, or no entry at the end, for a word that the model did not see. */
export type PredictedWordLabels = readonly (string | null)[];

/** A row's words, and how many of them have the right label. */
export interface WordHits {
  readonly words: number;
  readonly right: number;
}

/**
 * `accuracy` over words: the share of those with the right label; a word that was cut off counts as wrong.
 * Throws METRIC_ROWS for a row with more predictions than words, and where there was no word.
 */
export function wordAccuracy(): Metric<WordLabels, PredictedWordLabels, WordHits> {
  return overSums(
    { accuracy: MORE_IS_BETTER },
    (labels, predicted, row) => {
      const guesses = alignWords(labels, predicted, row);
      return { words: labels.length, right: labels.filter((label, word) => label === guesses[word]).length };
    },
    () => ({
      width: 2,
      add({ words, right }, sums) {
        sums[0]! += words;
        sums[1]! += right;
      },
      result: ([words, right]) => ({ accuracy: right! / atLeastOne(words!) }),
    }),
  );
}

/** Gives every word of a row (counted from 1) a prediction, null where there is none. Throws METRIC_ROWS where there are too many. */
export function alignWords(labels: WordLabels, guesses: PredictedWordLabels, row: number): (string | null)[] {
  if (guesses.length > labels.length) {
    throw new BidoraError(
      "METRIC_ROWS",
      `Expected at most ${labels.length} predicted labels in row ${row}, ${guesses.length} came; give one a word.`,
    );
  }
  return labels.map((_, word) => guesses[word] ?? null);
}
