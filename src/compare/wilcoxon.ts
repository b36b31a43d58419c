import type { PairedEffect } from "../files/comparison.js";
import { averageRanks, normalShare } from "../metrics/statistics.js";
import { mean, roundedDifferences, sampleDeviation } from "./statistics.js";

/** The largest number of differences for which the exact distribution is taken. */
const EXACT_UP_TO = 25;

export interface WilcoxonResult {
  /** The smaller one of the two sums of ranks, W+ and W−; 0 where no difference is left. */
  readonly statistic: number;
  /** Two-sided, in [0, 1]. */
  readonly p: number;
  /** How many of the pairs differ: those that the test is about. */
  readonly differing: number;
  /** What the p-value comes from: the statistic's own distribution, or the normal one that it tends to. */
  readonly distribution: "exact" | "normal";
}

/**
 * Wilcoxon's signed-rank test of paired samples (Wilcoxon 1945), two-sided. Differences are rounded to 12 decimals, so that
 * those which only rounding sets apart are ties; then zeros are dropped (Wilcoxon's own way with them), and equal sizes share the
 * mean of their ranks. Up to 25 differences p is exact, with ties too: the share of all ways to sign the ranks that give a
 * statistic as small. Beyond it comes from the normal distribution, its variance corrected for ties and without correction for
 * continuity (as `scipy.stats.wilcoxon` with `correction=False`). Nothing left to test gives p = 1.
 * @throws BidoraError `PAIRED_SAMPLES` for samples of different length or values that are not finite
 */
export function wilcoxon(a: readonly number[], b: readonly number[]): WilcoxonResult {
  const { ranks, positive, negative } = signedRanks(a, b);
  const differing = ranks.length;
  const statistic = Math.min(positive, negative);
  if (differing === 0) return { statistic, p: 1, differing, distribution: "exact" };
  const isExact = differing <= EXACT_UP_TO;
  return {
    statistic,
    p: isExact ? exactTails(statistic, ranks) : normalTails(statistic, ranks),
    differing,
    distribution: isExact ? "exact" : "normal",
  };
}

/** Of the 2^n equally likely ways to sign the ranks, the share in which the smaller sum is at most the statistic. */
function exactTails(statistic: number, ranks: Float64Array): number {
  // Mid-ranks are halves of whole numbers, so that twice a sum is one.
  const ways = waysToSum(ranks.map((rank) => 2 * rank));
  const tail = ways.subarray(0, 2 * statistic + 1).reduce((sum, count) => sum + count, 0);
  // At the centre twice the tail is more than 1, for the value there is in both tails.
  return Math.min(1, (2 * tail) / 2 ** ranks.length);
}

/** For each sum from 0 to that of all values, how many subsets of the values, which are whole numbers, have it. */
function waysToSum(values: Float64Array): Float64Array {
  const total = values.reduce((sum, value) => sum + value, 0);
  const ways = new Float64Array(total + 1);
  ways[0] = 1;
  for (const value of values) for (let sum = total; sum >= value; sum--) ways[sum]! += ways[sum - value]!;
  return ways;
}

/** Both tails of the normal distribution of the rank sum, with Lehmann's variance for ties (1975, ch. 3). */
function normalTails(statistic: number, ranks: Float64Array): number {
  const n = ranks.length;
  const ties = tieGroups(ranks).reduce((sum, size) => sum + size ** 3 - size, 0);
  const variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
  const z = (statistic - (n * (n + 1)) / 4) / Math.sqrt(variance);
  // The tails by themselves: 1 less the rest has no digits left where z is large.
  return 2 * normalShare(-Math.abs(z));
}

/** The sizes of the groups of equal ranks; a single one adds nothing to what is made of them. */
function tieGroups(ranks: Float64Array): number[] {
  const sizes = new Map<number, number>();
  for (const rank of ranks) sizes.set(rank, (sizes.get(rank) ?? 0) + 1);
  return [...sizes.values()];
}

/** What is made of paired samples for all that goes by ranks; pairs without a difference are left out. */
export interface SignedRanks {
  /** Of the sizes of the n differences, from 1, equal ones sharing the mean of theirs. */
  readonly ranks: Float64Array;
  /** W+, the sum of the ranks of pairs in which a is larger. */
  readonly positive: number;
  /** W−, that of the others; the two add up to n(n + 1)/2. */
  readonly negative: number;
}

/** Ranks of the differences a − b. @throws BidoraError `PAIRED_SAMPLES` as `roundedDifferences` */
export function signedRanks(a: readonly number[], b: readonly number[]): SignedRanks {
  const differences = roundedDifferences(a, b).filter((difference) => difference !== 0);
  const ranks = averageRanks(differences.map(Math.abs));
  const positive = ranks.reduce((sum, rank, pair) => (differences[pair]! > 0 ? sum + rank : sum), 0);
  return { ranks, positive, negative: (ranks.length * (ranks.length + 1)) / 2 - positive };
}

/**
 * Effect sizes of paired samples: Cohen's d_z (Cohen 1988, §2.3.5) and the matched-pairs rank-biserial correlation (Kerby
 * 2014). Differences are rounded as for the test beside which they stand. Undefined for no pairs at all.
 * @throws BidoraError `PAIRED_SAMPLES` for samples of different length or values that are not finite
 */
export function pairedEffect(a: readonly number[], b: readonly number[]): PairedEffect | undefined {
  const differences = roundedDifferences(a, b);
  if (differences.length === 0) return undefined;
  const meanDifference = mean(differences);
  const deviation = sampleDeviation(differences);
  const { positive, negative } = signedRanks(a, b);
  return {
    meanDifference,
    standardError: deviation === null ? null : deviation / Math.sqrt(differences.length),
    cohensDz: deviation === null || deviation === 0 ? null : meanDifference / deviation,
    rankBiserial: positive + negative === 0 ? 0 : (positive - negative) / (positive + negative),
  };
}
