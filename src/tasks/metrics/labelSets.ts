/** Metrics of any number of labels per example. Shapes: L labels; an example has one 0 or 1 for each. */
import { BidoraError } from "../../base/index.js";
import { atLeastOne, HIGHER_IS_BETTER, type Metric, SHARE_OF_ROWS } from "./parts/metric.js";
import { addOne, COUNTS, type Counts, countsIn, macroScores, microScores } from "./parts/scores.js";
import { overSums } from "./parts/sums.js";

/** One example's labels: 1 for each label that the example has, else 0. */
export type LabelSet = ArrayLike<number>;

/** The reference and predicted labels of one example. */
export type LabelSets = readonly [reference: LabelSet, prediction: LabelSet];

/**
 * `microPrecision`, `microRecall`, `microF1` over all examples and labels together, and `macroPrecision`, `macroRecall`,
 * `macroF1`, the unweighted means over all L labels. As in scikit-learn, an undefined score is 0, and labels that never occur
 * count. Throws METRIC_ROWS for examples of different width.
 */
export function labelScores(): Metric<LabelSet, LabelSet, LabelSets> {
  return overSums(LABEL_SCORES, bothSides, (corpus) => {
    const labels = widthOf(corpus);
    return {
      width: COUNTS * labels,
      add([reference /* L */, prediction /* L */], sums) {
        for (let label = 0; label < labels; label++)
          addOne({ actual: reference[label] === 1, predicted: prediction[label] === 1 }, sums, COUNTS * label);
      },
      result: (sums) => scoresOfLabels(Array.from({ length: labels }, (_, label) => countsIn(sums, COUNTS * label))),
    };
  });
}

const LABEL_SCORES = {
  microPrecision: HIGHER_IS_BETTER,
  microRecall: HIGHER_IS_BETTER,
  microF1: HIGHER_IS_BETTER,
  macroPrecision: HIGHER_IS_BETTER,
  macroRecall: HIGHER_IS_BETTER,
  macroF1: { ...HIGHER_IS_BETTER, kind: "labels" },
};

function scoresOfLabels(counts: readonly Counts[]): Readonly<Record<keyof typeof LABEL_SCORES, number>> {
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
}

/** `subsetAccuracy`: the share of examples all of whose labels are correct. Throws METRIC_ROWS for examples of different width. */
export function subsetAccuracy(): Metric<LabelSet, LabelSet, LabelSets> {
  return overSums({ subsetAccuracy: SHARE_OF_ROWS }, bothSides, (corpus) => {
    widthOf(corpus);
    return {
      width: 1,
      add([reference, prediction], sums) {
        sums[0]! += sameSet(reference, prediction) ? 1 : 0;
      },
      result: (sums, examples) => ({ subsetAccuracy: sums[0]! / atLeastOne(examples) }),
    };
  });
}

function bothSides(reference: LabelSet, prediction: LabelSet, example: number): LabelSets {
  if (reference.length !== prediction.length) throw otherWidth(reference.length, example, [reference, prediction]);
  return [reference, prediction];
}

function sameSet(a: LabelSet, b: LabelSet): boolean {
  for (let label = 0; label < a.length; label++) if (a[label] !== b[label]) return false;
  return true;
}

/** The number of labels. @throws BidoraError `METRIC_ROWS` for examples that differ in it */
function widthOf(examples: readonly LabelSets[]): number {
  const width = examples[0]?.[0].length ?? 0;
  const other = examples.findIndex(([reference]) => reference.length !== width);
  if (other !== -1) throw otherWidth(width, other + 1, examples[other] as LabelSets);
  return width;
}

function otherWidth(width: number, example: number, [references, predictions]: LabelSets): BidoraError {
  return new BidoraError(
    "METRIC_ROWS",
    `Expected ${width} labels in every row, but row ${example} has ${references.length} references and ${predictions.length} predictions; give each row one 0 or 1 per label.`,
  );
}
