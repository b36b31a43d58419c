// Wilcoxon's signed-rank test of paired samples, and effect sizes to report with it.
import type { PairedEffect } from "../../base/records/index.js";
import { averageRanks, normalCdf } from "../../tasks/metrics/parts/index.js";
import { meanDifference, roundedDifferences, sampleDeviation } from "./summary.js";

/** The largest number of differences for which the exact distribution is used. */
const EXACT_UP_TO = 25;

export interface WilcoxonResult {
  /** The smaller of the rank sums W+ and W−; 0 if no pair differs. */
  readonly statistic: number;
  /** Two-sided, in [0, 1]. */
  readonly p: number;
  /** The number of pairs that differ, which are the ones tested. */
  readonly differing: number;
  /** The distribution of the statistic that p is from: its exact one, or the normal approximation. */
  readonly distribution: "exact" | "normal";
}

/**
 * Wilcoxon's signed-rank test of paired samples (Wilcoxon 1945), two-sided. Differences are rounded to 12 decimals, so that those equal
 * up to rounding errors are ties; zeros are dropped (as Wilcoxon did), and ties share the mean of their ranks. Up to 25 differences p
 * is exact, also with ties: the share of all sign assignments with a statistic as small. Above, p is from the normal approximation with
 * the variance corrected for ties, without continuity correction (as `scipy.stats.wilcoxon` with `correction=False`). If no pair
 * differs, p = 1.
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

/**
 * Effect sizes of paired samples: Cohen's d_z (Cohen 1988, §2.3.5) and the matched-pairs rank-biserial correlation (Kerby 2014), on
 * differences rounded as in the test. Undefined for no pairs.
 * @throws BidoraError `PAIRED_SAMPLES` for samples of different length or values that are not finite
 */
export function pairedEffect(a: readonly number[], b: readonly number[]): PairedEffect | undefined {
  const differences = roundedDifferences(a, b);
  if (differences.length === 0) return undefined;
  const center = meanDifference(differences);
  const deviation = sampleDeviation(differences);
  const { positive, negative } = signedRanks(a, b);
  return {
    meanDifference: center,
    standardError: deviation === null ? null : deviation / Math.sqrt(differences.length),
    cohensDz: deviation === null || deviation === 0 ? null : center / deviation,
    rankBiserial: positive + negative === 0 ? 0 : (positive - negative) / (positive + negative),
  };
}

/** The ranks of paired samples' differences. Pairs that do not differ are left out. */
interface SignedRanks {
  /** Ranks of the absolute differences, from 1; ties share the mean of their ranks. */
  readonly ranks: Float64Array;
  /** W+, the sum of the ranks of pairs in which a is larger. */
  readonly positive: number;
  /** W−, the sum of the other ranks; W+ + W− = n(n + 1)/2. */
  readonly negative: number;
}

function signedRanks(a: readonly number[], b: readonly number[]): SignedRanks {
  const differences = roundedDifferences(a, b).filter((difference) => difference !== 0);
  const ranks = averageRanks(differences.map(Math.abs));
  const positive = ranks.reduce((sum, rank, pair) => (differences[pair]! > 0 ? sum + rank : sum), 0);
  return { ranks, positive, negative: (ranks.length * (ranks.length + 1)) / 2 - positive };
}

/** The share of the 2^n equally likely sign assignments for which the smaller rank sum is at most the statistic. */
function exactTails(statistic: number, ranks: Float64Array): number {
  // Shared ranks are multiples of 1/2, so doubled ranks are integers.
  const ways = waysToSum(ranks.map((rank) => 2 * rank));
  const tail = ways.subarray(0, 2 * statistic + 1).reduce((sum, count) => sum + count, 0);
  // At the center both tails include the center, and twice the tail exceeds 1.
  return Math.min(1, (2 * tail) / 2 ** ranks.length);
}

/** For each sum from 0 to the total of the values, which are integers: the number of subsets with this sum. */
function waysToSum(values: Float64Array): Float64Array {
  const total = values.reduce((sum, value) => sum + value, 0);
  const ways = new Float64Array(total + 1);
  ways[0] = 1;
  for (const value of values) for (let sum = total; sum >= value; sum--) ways[sum]! += ways[sum - value]!;
  return ways;
}

/** Both tails of the rank sum's normal approximation, with Lehmann's variance for ties (1975, ch. 3). */
function normalTails(statistic: number, ranks: Float64Array): number {
  const n = ranks.length;
  const ties = tieGroups(ranks).reduce((sum, size) => sum + size ** 3 - size, 0);
  const variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
  const z = (statistic - (n * (n + 1)) / 4) / Math.sqrt(variance);
  // Twice the lower tail: 1 minus the rest would lose all digits for large z.
  return 2 * normalCdf(-Math.abs(z));
}

/** The sizes of the groups of equal ranks, groups of one included. */
function tieGroups(ranks: Float64Array): number[] {
  const sizes = new Map<number, number>();
  for (const rank of ranks) sizes.set(rank, (sizes.get(rank) ?? 0) + 1);
  return [...sizes.values()];
}
