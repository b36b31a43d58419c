import { fsum } from "d3-array";

/** The mean, the same in whatever order the values come: they are added up without rounding. NaN of none, and where one of them is NaN. */
export function mean(values: readonly number[]): number {
  // The sum of several 0.1 divided by their number is a rounding away from 0.1.
  if (values.every((value) => value === values[0])) return values[0] ?? Number.NaN;
  return total(values) / values.length;
}

/** The standard deviation of a sample (divided by n − 1); null for fewer than two values, which have none. */
export function sampleDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const centre = mean(values);
  return Math.sqrt(total(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}

/** `fsum` alone passes over NaN, and so would count it as 0. */
const total = (values: readonly number[]): number => (values.some(Number.isNaN) ? Number.NaN : fsum(values));
