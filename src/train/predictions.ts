import type { EncodedRow } from "../data/index.js";

/** A word's logits; null for a word that was cut off or has no token. */
export type Predicted = Float64Array | null;

/** The logits of each word's first sub-word. @param logits [tokens · labels] of one row */
export function wordsOf(logits: Float64Array, row: EncodedRow, labels: number): Predicted[] {
  return (row.wordStarts ?? []).map((start) => (start < 0 ? null : logits.slice(start * labels, (start + 1) * labels)));
}
