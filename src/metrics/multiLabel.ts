// Shapes: L labels. A row is one 0/1 entry a label.
import { BidoraError } from "../common/errors.js";
import { atLeastOne, mean } from "./checks.js";
import { type Metric, MORE_IS_BETTER, SHARE_OF_ROWS } from "./metric.js";
import { type Counts, emptyCounts, macroScores, microScores } from "./scores.js";

/** One row's labels: an entry a label, 1 where the row has it. */
export type LabelSet = ArrayLike<number>;

/** Both sides of one row. */
export type LabelSets = readonly [reference: LabelSet, prediction: LabelSet];

/**
 * `microPrecision`, `microRecall`, `microF1` over all rows and labels together, and `macroPrecision`, `macroRecall`,
 * `macroF1`, the unweighted means over all L labels. What is undefined is 0, also for a label that neither side has, as
 * in scikit-learn. Throws METRIC_ROWS for rows of different width.
 */
export function labelScores(): Metric<LabelSet, LabelSet, LabelSets> {
  return {
    values: {
      microPrecision: MORE_IS_BETTER,
      microRecall: MORE_IS_BETTER,
      microF1: MORE_IS_BETTER,
      macroPrecision: MORE_IS_BETTER,
      macroRecall: MORE_IS_BETTER,
      macroF1: MORE_IS_BETTER,
    },
    measure: bothSides,
    result(rows) {
      const counts = countLabels(rows);
      const [micro, macro] = [microScores(counts), macroScores(counts)];
      return {
        microPrecision: micro.precision,
        microRecall: micro.recall,
        microF1: micro.f1,
        macroPrecision: macro.precision,
        macroRecall: macro.recall,
        macroF1: macro.f1,
      };
    },
  };
}

/** `subsetAccuracy`: the share of rows whose labels are all right. Throws METRIC_ROWS for rows of different width. */
export function subsetAccuracy(): Metric<LabelSet, LabelSet, LabelSets> {
  return {
    values: { subsetAccuracy: SHARE_OF_ROWS },
    measure: bothSides,
    result(rows) {
      checkWidths(rows);
      return { subsetAccuracy: mean(rows.map(([reference, prediction]) => (sameSet(reference, prediction) ? 1 : 0))) };
    },
  };
}

function bothSides(reference: LabelSet, prediction: LabelSet, row: number): LabelSets {
  if (reference.length !== prediction.length) throw otherWidth(reference.length, row, [reference, prediction]);
  return [reference, prediction];
}

function countLabels(rows: readonly LabelSets[]): Counts[] {
  checkWidths(rows);
  const counts = Array.from({ length: rows[0]?.[0].length ?? 0 }, emptyCounts);
  atLeastOne(counts.length);
  for (const [reference /* L */, prediction /* L */] of rows)
    for (const [label, labelCounts] of counts.entries())
      countLabel(labelCounts, reference[label] === 1, prediction[label] === 1);
  return counts;
}

function countLabel(counts: Counts, actual: boolean, predicted: boolean): void {
  if (actual) counts.actual++;
  if (predicted) counts.predicted++;
  if (actual && predicted) counts.truePositives++;
}

function sameSet(a: LabelSet, b: LabelSet): boolean {
  for (let label = 0; label < a.length; label++) if (a[label] !== b[label]) return false;
  return true;
}

/** Refuses rows that have not as many labels as the first. */
function checkWidths(rows: readonly LabelSets[]): void {
  const width = rows[0]?.[0].length ?? 0;
  const other = rows.findIndex(([reference]) => reference.length !== width);
  if (other !== -1) throw otherWidth(width, other + 1, rows[other] as LabelSets);
}

function otherWidth(width: number, row: number, [references, predictions]: LabelSets): BidoraError {
  return new BidoraError(
    "METRIC_ROWS",
    `Expected ${width} labels in every row, row ${row} has ${references.length} references and ${predictions.length} predictions; give each row one 0 or 1 a label.`,
  );
}
