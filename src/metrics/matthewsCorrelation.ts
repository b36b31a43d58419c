import { checkRows } from "./checks.js";

/**
 * Matthews correlation for two or more classes (Gorodkin's R_K, as scikit-learn), in [-1, 1]; 0 where one side has a
 * single class, where it is undefined. Throws METRIC_ROWS.
 */
export function matthewsCorrelation(references: ArrayLike<number>, predictions: ArrayLike<number>): number {
  checkRows(references, predictions);
  const rows = references.length;
  const actual = histogram(references);
  const predicted = histogram(predictions);
  let right = 0;
  for (let row = 0; row < rows; row++) if (references[row] === predictions[row]) right++;

  let chance = 0;
  for (const [id, count] of actual) chance += count * (predicted.get(id) ?? 0);
  const variances = (rows * rows - sumOfSquares(actual)) * (rows * rows - sumOfSquares(predicted));
  return variances === 0 ? 0 : (right * rows - chance) / Math.sqrt(variances);
}

function histogram(ids: ArrayLike<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (let row = 0; row < ids.length; row++) counts.set(ids[row]!, (counts.get(ids[row]!) ?? 0) + 1);
  return counts;
}

const sumOfSquares = (counts: Map<number, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count * count, 0);
