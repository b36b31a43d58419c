// Least-squares lines through points (ΔD, ΔM).
import type { LineFit } from "../../base/records/index.js";
import { mean } from "../statistics/summary.js";

type Point = readonly [x: number, y: number];

/** Sums of squares and of products around the mean point: exactly 0 for values that differ by rounding only. */
interface Spread {
  readonly center: Point;
  readonly xx: number;
  readonly xy: number;
  readonly yy: number;
}

/**
 * The least-squares line through the points of all layers, with its two parts: `within` is the slope around the layers' own mean points,
 * `across` that of the line through these. If the layers have equally many points, the slope is `share · within + (1 − share) · across`,
 * where `share` is the part of ΔD's variance that is within layers; so it can have another sign than either (Simpson's paradox).
 * @param layers the points of each, x and y
 */
export function lineOfLayers(layers: readonly (readonly Point[])[]): LineFit {
  const spreads = layers.filter((points) => points.length > 0).map(spreadOf);
  const [xx, xy] = [sum(spreads.map((spread) => spread.xx)), sum(spreads.map((spread) => spread.xy))];
  const { slope: across } = leastSquares(spreads.map(({ center }) => center));
  return { ...leastSquares(layers.flat()), within: xx === 0 ? null : xy / xx, across };
}

/**
 * The line y = slope · x + intercept with the least squared error.
 * @param points x and y of each
 */
export function leastSquares(points: readonly Point[]): LineFit {
  const count = points.length;
  if (count < 2) return without(count, `There ${count === 1 ? "is one point" : "are no points"}: a line needs two.`);
  const { center, xx, xy, yy } = spreadOf(points);
  const [meanX, meanY] = center;
  if (xx === 0) return without(count, "ΔD is the same in all points: there is no slope.");
  if (yy === 0)
    return { points: count, slope: 0, intercept: meanY, correlation: null, note: "ΔM is the same in all points." };
  const slope = xy / xx;
  const correlation = Math.min(1, Math.max(-1, xy / Math.sqrt(xx) / Math.sqrt(yy)));
  return { points: count, slope, intercept: meanY - slope * meanX, correlation };
}

function spreadOf(points: readonly Point[]): Spread {
  const [x, y] = [centered(points.map(([value]) => value)), centered(points.map(([, value]) => value))];
  const products = (a: readonly number[], b: readonly number[]) => sum(a.map((value, at) => value * b[at]!));
  const [xx, xy, yy] = [products(x.values, x.values), products(x.values, y.values), products(y.values, y.values)];
  return { center: [x.mean, y.mean], xx, xy, yy };
}

/** A spread below this share of the largest value counts as rounding. */
const ROUNDING = 1e-9;

function centered(values: readonly number[]): { readonly mean: number; readonly values: readonly number[] } {
  const lowest = values.reduce((least, value) => Math.min(least, value));
  const highest = values.reduce((most, value) => Math.max(most, value));
  const isConstant = highest - lowest <= ROUNDING * Math.max(Math.abs(highest), Math.abs(lowest));
  const center = mean(values);
  return { mean: center, values: values.map((value) => (isConstant ? 0 : value - center)) };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const without = (points: number, note: string): LineFit => ({
  points,
  slope: null,
  intercept: null,
  correlation: null,
  note,
});
