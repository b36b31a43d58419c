// Means, deviations and differences of scores.
import { fsum, group } from "d3-array";
import { BidoraError } from "../../base/index.js";
import type { ComparedRun, SummaryEntry } from "../../base/records/index.js";
import { checkRuns } from "./checkComparison.js";

/** The mean, independent of the values' order, since they are summed without rounding. NaN for no values, or if one of them is NaN. */
export function mean(values: readonly number[]): number {
  // Three times 0.1 divided by 3 is one rounding away from 0.1.
  if (values.every((value) => value === values[0])) return values[0] ?? Number.NaN;
  return total(values) / values.length;
}

/** The standard deviation of a sample (divided by n − 1); null for fewer than two values. */
export function sampleDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const center = mean(values);
  return Math.sqrt(total(values.map((value) => (value - center) ** 2)) / (values.length - 1));
}

/** `fsum` skips NaN, which would count as 0. */
const total = (values: readonly number[]): number => (values.some(Number.isNaN) ? Number.NaN : fsum(values));

/** Mean and deviation of every metric for every method and task, in the order in which they first occur. @throws BidoraError as `checkRuns` */
export function summary(runs: readonly ComparedRun[]): SummaryEntry[] {
  checkRuns(runs);
  const values = runs.flatMap(({ task, method, metrics }) =>
    Object.entries(metrics).map(([metric, value]) => ({ task, method, metric, value })),
  );
  const groups = group(values, ({ task, method, metric }) => JSON.stringify([task, method, metric]));
  return [...groups.values()].map((entries) => {
    const { task, method, metric } = entries[0]!;
    const found = entries.map(({ value }) => value);
    return { task, method, metric, mean: mean(found), deviation: sampleDeviation(found), n: found.length };
  });
}

/**
 * Differences a − b of paired samples, rounded to 12 decimals, so that 0.3 − 0.2 equals 0.2 − 0.1, and scores that were summed in
 * different orders are equal.
 * @throws BidoraError `PAIRED_SAMPLES` for samples of different length or values that are not finite
 */
export function roundedDifferences(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) {
    throw new BidoraError(
      "PAIRED_SAMPLES",
      `Expected a value on both sides of every pair, got ${a.length} and ${b.length}; leave out values without a partner.`,
    );
  }
  return a.map((value, pair) => {
    const difference = value - b[pair]!;
    if (Number.isFinite(difference)) return round12(difference);
    throw new BidoraError(
      "PAIRED_SAMPLES",
      `Expected finite values in every pair, but pair ${pair + 1} is ${value} and ${b[pair]}; leave out runs that diverged, and report it.`,
    );
  });
}

/** A value rounded to 12 decimals, so that scores that differ only by rounding errors are equal. */
export const round12 = (value: number): number => Number(value.toFixed(12));

/** The mean of differences: 0 where only a rounding error is left of values that cancel. */
export function meanDifference(differences: readonly number[]): number {
  const found = mean(differences);
  return round12(found) === 0 ? 0 : found;
}
