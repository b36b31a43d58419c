import { BidoraError } from "../common/errors.js";
import { checkRows } from "./checks.js";

/** The reference labels of one row's words. */
export type WordLabels = readonly string[];

/** The predicted labels of one row's words; null, or no entry at the end, for a word that the model did not see. */
export type PredictedWordLabels = readonly (string | null)[];

/**
 * Share of words with the right label, over all rows; a word that was cut off counts as wrong. Throws METRIC_ROWS.
 */
export function tokenAccuracy(references: readonly WordLabels[], predictions: readonly PredictedWordLabels[]): number {
  const aligned = alignWords(references, predictions);
  const words = references.flat();
  checkRows(words, words);
  const guesses = aligned.flat();
  return words.filter((label, word) => label === guesses[word]).length / words.length;
}

/** Gives every reference word a prediction, null where there is none. Throws METRIC_ROWS where a row has too many. */
export function alignWords(
  references: readonly WordLabels[],
  predictions: readonly PredictedWordLabels[],
): (string | null)[][] {
  checkRows(references, predictions);
  return references.map((labels, row) => {
    const guesses = predictions[row]!;
    if (guesses.length > labels.length) {
      throw new BidoraError(
        "METRIC_ROWS",
        `Expected at most ${labels.length} predicted labels in row ${row + 1}, ${guesses.length} came; give one a word.`,
      );
    }
    return labels.map((_, word) => guesses[word] ?? null);
  });
}
