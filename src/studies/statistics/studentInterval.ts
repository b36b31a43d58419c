// Student's confidence interval of a mean.
import type { Interval } from "../../tasks/metrics/index.js";
import { mean, sampleDeviation } from "./summary.js";

/**
 * The interval of a normal population's mean that Student's t distribution gives; null for fewer than two values.
 * @param confidence how often such an interval holds the mean
 */
export function studentInterval(values: readonly number[], confidence = 0.95): Interval | null {
  const deviation = sampleDeviation(values);
  if (deviation === null) return null;
  const half = (studentQuantile(values.length - 1, confidence) * deviation) / Math.sqrt(values.length);
  const center = mean(values);
  return { low: center - half, high: center + half };
}

/** The t for which a share of the distribution is between −t and t, by bisection. */
function studentQuantile(freedom: number, share: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (shareWithin(middle, freedom) < share) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/** P(|T| < √ν·tan θ) for ν whole degrees of freedom: Abramowitz and Stegun, 26.7.3 and 26.7.4. */
function shareWithin(theta: number, freedom: number): number {
  const [sine, cosine] = [Math.sin(theta), Math.cos(theta)];
  const isOdd = freedom % 2 === 1;
  let [term, sum] = isOdd ? [cosine, freedom > 1 ? cosine : 0] : [1, 1];
  for (let power = isOdd ? 3 : 2; power <= freedom - 2; power += 2) {
    term *= ((power - 1) / power) * cosine ** 2;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (theta + sine * sum) : sine * sum;
}
