import { fsum, group } from "d3-array";
import { BidoraError } from "../common/errors.js";
import type { ComparedRun, SummaryEntry } from "../files/comparison.js";
import { checkRuns } from "./comparison.js";

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

/**
 * Differences a − b of paired samples, rounded to 12 decimals: 0.3 − 0.2 and 0.2 − 0.1 are then one value, and so are
 * scores that were added up in another order.
 * @throws BidoraError `PAIRED_SAMPLES` for samples of different length or values that are not finite
 */
export function roundedDifferences(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) {
    throw new BidoraError(
      "PAIRED_SAMPLES",
      `Expected a value on both sides of every pair, ${a.length} and ${b.length} came; leave out what has no partner.`,
    );
  }
  return a.map((value, pair) => {
    const difference = value - b[pair]!;
    if (Number.isFinite(difference)) return round12(difference);
    throw new BidoraError(
      "PAIRED_SAMPLES",
      `Expected finite values in every pair, pair ${pair + 1} is ${value} and ${b[pair]}; leave out runs that diverged, and say so.`,
    );
  });
}

/** A value to 12 decimals, where scores that are the same but for rounding become equal. */
export const round12 = (value: number): number => Number(value.toFixed(12));

/** Every metric of every method and task, in the order in which they first come up. @throws BidoraError as `checkRuns` */
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
