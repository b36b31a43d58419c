import { checkFinite, checkRows } from "./checks.js";

/**
 * Pearson's correlation, in [-1, 1]. Where one side is constant it is undefined and 0 is returned (a constant prediction
 * explains nothing). Throws METRIC_ROWS and METRIC_NOT_FINITE.
 */
export function pearson(references: ArrayLike<number>, predictions: ArrayLike<number>): number {
  checkRows(references, predictions);
  checkFinite(references, "references");
  checkFinite(predictions, "predictions");
  if (isConstant(references) || isConstant(predictions)) return 0;
  const x = centredUnit(references);
  const y = centredUnit(predictions);
  const r = x.reduce((sum, value, row) => sum + value * y[row]!, 0);
  return Math.min(1, Math.max(-1, r));
}

/** Compared, not derived from the variance, which rounding makes a little more than 0 for a constant such as 0.1. */
function isConstant(values: ArrayLike<number>): boolean {
  for (let row = 1; row < values.length; row++) if (values[row] !== values[0]) return false;
  return true;
}

/** Mean taken off, then scaled to length 1; dividing by the largest first keeps the squares in range. */
function centredUnit(values: ArrayLike<number>): Float64Array {
  const centred = Float64Array.from(values);
  const mean = centred.reduce((sum, value) => sum + value / centred.length, 0);
  const largest = centred.reduce((max, value) => Math.max(max, Math.abs(value - mean)), 0);
  const scaled = centred.map((value) => (value - mean) / largest);
  const norm = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0));
  return scaled.map((value) => value / norm);
}
