// Shapes: R rows, L labels. A row is one 0/1 entry a label.
import { BidoraError } from "../common/errors.js";
import { checkRows } from "./checks.js";
import { type Counts, emptyCounts, macroScores, microScores, type Scores } from "./scores.js";

/** One row's labels: an entry a label, 1 where the row has it. */
export type LabelSet = ArrayLike<number>;

/** Precision, recall and F1 over all rows and labels together; 0 where undefined. Throws METRIC_ROWS. */
export function multiLabelMicro(references: readonly LabelSet[] /* R,L */, predictions: readonly LabelSet[]): Scores {
  return microScores(countLabels(references, predictions));
}

/**
 * Unweighted mean over all L labels; a label that neither side has counts as 0, as in scikit-learn. Throws METRIC_ROWS.
 */
export function multiLabelMacro(references: readonly LabelSet[] /* R,L */, predictions: readonly LabelSet[]): Scores {
  return macroScores(countLabels(references, predictions));
}

/** Share of rows whose labels are all right. Throws METRIC_ROWS. */
export function subsetAccuracy(references: readonly LabelSet[] /* R,L */, predictions: readonly LabelSet[]): number {
  checkShapes(references, predictions);
  const right = references.filter((row, index) => sameSet(row, predictions[index]!)).length;
  return right / references.length;
}

function sameSet(a: LabelSet, b: LabelSet): boolean {
  for (let label = 0; label < a.length; label++) if (a[label] !== b[label]) return false;
  return true;
}

function countLabels(references: readonly LabelSet[], predictions: readonly LabelSet[]): Counts[] {
  checkShapes(references, predictions);
  const counts = Array.from({ length: references[0]!.length }, emptyCounts);
  for (const [row, reference] of references.entries()) {
    for (const [label, count] of counts.entries()) {
      const [actual, predicted] = [reference[label] === 1, predictions[row]![label] === 1];
      if (actual) count.actual++;
      if (predicted) count.predicted++;
      if (actual && predicted) count.truePositives++;
    }
  }
  return counts;
}

function checkShapes(references: readonly LabelSet[], predictions: readonly LabelSet[]): void {
  checkRows(references, predictions);
  const labels = references[0]!.length;
  for (const [row, reference] of references.entries()) {
    const predicted = predictions[row]!.length;
    if (reference.length !== labels || predicted !== labels) {
      throw new BidoraError(
        "METRIC_ROWS",
        `Expected ${labels} labels in every row, row ${row + 1} has ${reference.length} references and ${predicted} predictions; give each row one 0 or 1 a label.`,
      );
    }
  }
}
