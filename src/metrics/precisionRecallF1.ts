import { checkRows } from "./checks.js";
import { type Counts, emptyCounts, macroScores, microScores, type Scores, scoresOf } from "./scores.js";

/**
 * Precision, recall and F1 of one class against the rest (scikit-learn's `average="binary"`); 0 where undefined.
 * Throws METRIC_ROWS.
 */
export function binaryScores(references: ArrayLike<number>, predictions: ArrayLike<number>, positive = 1): Scores {
  return scoresOf(countClasses(references, predictions).get(positive) ?? emptyCounts());
}

/** The classes' counts added up; for single-label rows all three equal the accuracy. Throws METRIC_ROWS. */
export function microAverage(references: ArrayLike<number>, predictions: ArrayLike<number>): Scores {
  return microScores(countClasses(references, predictions).values());
}

/**
 * Unweighted mean over the classes that occur on either side, as scikit-learn's `average="macro"`: a class that neither
 * side has does not count. Throws METRIC_ROWS.
 */
export function macroAverage(references: ArrayLike<number>, predictions: ArrayLike<number>): Scores {
  return macroScores(countClasses(references, predictions).values());
}

function countClasses(references: ArrayLike<number>, predictions: ArrayLike<number>): Map<number, Counts> {
  checkRows(references, predictions);
  const classes = new Map<number, Counts>();
  const countsOf = (id: number) => {
    const counts = classes.get(id) ?? emptyCounts();
    classes.set(id, counts);
    return counts;
  };
  for (let row = 0; row < references.length; row++) {
    const [reference, prediction] = [references[row]!, predictions[row]!];
    countsOf(reference).actual++;
    countsOf(prediction).predicted++;
    if (reference === prediction) countsOf(reference).truePositives++;
  }
  return classes;
}
