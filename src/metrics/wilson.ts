import type { Interval } from "./bootstrap.js";
import { normalQuantile } from "./normal.js";

/**
 * Wilson's score interval of a share (Wilson 1927, without continuity correction): the true shares that the normal approximation
 * does not reject. It never leaves [0, 1], and is not a point where all or none were right.
 */
export function wilson(share: number, count: number, confidence: number): Interval {
  const z = normalQuantile((1 + confidence) / 2);
  const shrinkage = 1 + z ** 2 / count;
  const centre = (share + z ** 2 / (2 * count)) / shrinkage;
  const reach = (z / shrinkage) * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2));
  return { low: share === 0 ? 0 : centre - reach, high: share === 1 ? 1 : centre + reach };
}
