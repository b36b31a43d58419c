import { checkRows } from "./checks.js";

/** Share of rows whose predicted class is the reference class, in [0, 1]. Throws METRIC_ROWS. */
export function accuracy(references: ArrayLike<number>, predictions: ArrayLike<number>): number {
  checkRows(references, predictions);
  let right = 0;
  for (let row = 0; row < references.length; row++) if (references[row] === predictions[row]) right++;
  return right / references.length;
}
