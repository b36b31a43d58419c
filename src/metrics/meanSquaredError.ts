import { checkFinite, checkRows } from "./checks.js";

/** Mean of the squared differences, in the square of the label's unit. Throws METRIC_ROWS and METRIC_NOT_FINITE. */
export function meanSquaredError(references: ArrayLike<number>, predictions: ArrayLike<number>): number {
  checkRows(references, predictions);
  checkFinite(references, "references");
  checkFinite(predictions, "predictions");
  let sum = 0;
  for (let row = 0; row < references.length; row++) sum += (references[row]! - predictions[row]!) ** 2;
  return sum / references.length;
}
