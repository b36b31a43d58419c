import type { LineFit } from "../files/analysis.js";

/** A spread below this share of the largest value is rounding. */
const ROUNDING = 1e-9;

/**
 * The line y = slope · x + intercept with the least squares of what it misses y by.
 * @param points x and y of each
 */
export function leastSquares(points: readonly (readonly [x: number, y: number])[]): LineFit {
  const count = points.length;
  if (count < 2) return without(count, `There ${count === 1 ? "is one point" : "are no points"}: a line takes two.`);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  if (isConstant(xs)) return without(count, "The directions are equally far in all points: there is no slope.");
  const [meanX, meanY] = [mean(xs), mean(ys)];
  const spread = (a: readonly number[], aMean: number, b: readonly number[], bMean: number) =>
    a.reduce((sum, value, at) => sum + (value - aMean) * (b[at]! - bMean), 0);
  if (isConstant(ys))
    return { points: count, slope: 0, intercept: meanY, correlation: null, note: "The magnitudes are equally far." };
  const [xx, xy, yy] = [spread(xs, meanX, xs, meanX), spread(xs, meanX, ys, meanY), spread(ys, meanY, ys, meanY)];
  const slope = xy / xx;
  const correlation = Math.min(1, Math.max(-1, xy / Math.sqrt(xx) / Math.sqrt(yy)));
  return { points: count, slope, intercept: meanY - slope * meanX, correlation };
}

const without = (points: number, note: string): LineFit => ({
  points,
  slope: null,
  intercept: null,
  correlation: null,
  note,
});

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function isConstant(values: readonly number[]): boolean {
  const lowest = values.reduce((least, value) => Math.min(least, value));
  const highest = values.reduce((most, value) => Math.max(most, value));
  return highest - lowest <= ROUNDING * Math.max(Math.abs(highest), Math.abs(lowest));
}
