// Shapes: L labels. A row is one 0/1 entry a label.
import { BidoraError } from "../common/errors.js";
import { atLeastOne } from "./checks.js";
import type { Metric } from "./metric.js";
import { type Counts, emptyCounts, macroScores, microScores } from "./scores.js";

/** One row's labels: an entry a label, 1 where the row has it. */
export type LabelSet = ArrayLike<number>;

/**
 * `microPrecision`, `microRecall`, `microF1` over all rows and labels together, and `macroPrecision`, `macroRecall`,
 * `macroF1`, the unweighted means over all L labels. What is undefined is 0, also for a label that neither side has, as
 * in scikit-learn. Throws METRIC_ROWS for rows of different width.
 */
export function labelScores(): Metric<LabelSet> {
  const counts: Counts[] = [];
  const check = sameWidth();
  return {
    add(reference /* L */, prediction /* L */) {
      check(reference, prediction);
      for (let label = 0; label < reference.length; label++) {
        counts[label] ??= emptyCounts();
        countLabel(counts[label]!, reference[label] === 1, prediction[label] === 1);
      }
    },
    result() {
      atLeastOne(counts.length);
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
export function subsetAccuracy(): Metric<LabelSet> {
  let [rows, right] = [0, 0];
  const check = sameWidth();
  return {
    add(reference /* L */, prediction /* L */) {
      check(reference, prediction);
      rows++;
      if (sameSet(reference, prediction)) right++;
    },
    result: () => ({ subsetAccuracy: right / atLeastOne(rows) }),
  };
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
function sameWidth(): (reference: LabelSet, prediction: LabelSet) => void {
  let rows = 0;
  let width = 0;
  return (reference, prediction) => {
    if (rows++ === 0) width = reference.length;
    if (reference.length === width && prediction.length === width) return;
    throw new BidoraError(
      "METRIC_ROWS",
      `Expected ${width} labels in every row, row ${rows} has ${reference.length} references and ${prediction.length} predictions; give each row one 0 or 1 a label.`,
    );
  };
}
