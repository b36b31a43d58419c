import { BidoraError } from "../common/errors.js";

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
