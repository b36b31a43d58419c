// Random draws of the normal and of Student's distribution.
import { uniforms } from "../../base/index.js";
import { normalQuantile } from "../../tasks/metrics/parts/index.js";

/** Separates this random stream from those that draw rows. */
const STREAM = 0x73747564;

/** Draws of the standard normal distribution, one a call. */
export function seededNormals(seed: number): () => number {
  const uniform = uniforms(seed, STREAM);
  // A uniform draw can be 0, whose quantile is infinite.
  return () => normalQuantile(uniform() || Number.EPSILON);
}

/** The mean of squared draws, as the variance of a sample with so many degrees of freedom varies around that of its population. */
export function meanSquare(normal: () => number, freedom: number): number {
  let squares = 0;
  for (let i = 0; i < freedom; i++) squares += normal() ** 2;
  return squares / freedom;
}

/** Draws of Student's distribution: a normal one over the root of a mean of squared normal ones. @param freedom degrees of freedom */
export function studentDraws(count: number, freedom: number, seed: number): Float64Array {
  const normal = seededNormals(seed);
  return Float64Array.from({ length: count }, () => {
    const square = meanSquare(normal, freedom);
    return normal() / Math.sqrt(square);
  });
}
