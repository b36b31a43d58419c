import erfc from "@stdlib/math-base-special-erfc";
import signedRankCdf from "@stdlib/stats-base-dists-signrank-cdf";
import { signedRanks } from "./signedRanks.js";

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
 * those which only rounding sets apart are ties; then zeros are dropped (Wilcoxon's own way with them). The distribution is
 * the exact one for up to 25 differences of distinct size, else the normal one, its variance corrected for ties and without
 * correction for continuity (as `scipy.stats.wilcoxon` with `correction=False`). Nothing left to test gives p = 1.
 * @throws BidoraError `PAIRED_SAMPLES` for samples of different length or values that are not finite
 */
export function wilcoxon(a: readonly number[], b: readonly number[]): WilcoxonResult {
  const { ranks, positive, negative } = signedRanks(a, b);
  const differing = ranks.length;
  const statistic = Math.min(positive, negative);
  if (differing === 0) return { statistic, p: 1, differing, distribution: "exact" };
  const tied = tieGroups(ranks);
  const isExact = differing <= EXACT_UP_TO && tied.length === 0;
  return {
    statistic,
    p: isExact ? exactTails(statistic, differing) : normalTails(statistic, differing, tied),
    differing,
    distribution: isExact ? "exact" : "normal",
  };
}

/** Of the 2^n equally likely ways to sign the ranks, the share with a statistic as small. */
function exactTails(statistic: number, n: number): number {
  // The library computes 2^-n by the exponential function; the count is a whole number again once that is taken back.
  const ways = Math.round(signedRankCdf(statistic, n) * 2 ** n);
  // At the centre twice the tail is more than 1, for the value there is in both tails.
  return Math.min(1, (2 * ways) / 2 ** n);
}

/** Both tails of the normal distribution of the rank sum over n differences, with Lehmann's variance for ties (1975, ch. 3). */
function normalTails(statistic: number, n: number, tied: readonly number[]): number {
  const ties = tied.reduce((sum, size) => sum + size ** 3 - size, 0);
  const variance = (n * (n + 1) * (2 * n + 1) - ties / 2) / 24;
  const z = (statistic - (n * (n + 1)) / 4) / Math.sqrt(variance);
  // The tails by themselves: 1 less the rest has no digits left where z is large.
  return erfc(Math.abs(z) / Math.SQRT2);
}

/** The sizes of the groups of equal ranks, singles left out. */
function tieGroups(ranks: Float64Array): number[] {
  const sizes = new Map<number, number>();
  for (const rank of ranks) sizes.set(rank, (sizes.get(rank) ?? 0) + 1);
  return [...sizes.values()].filter((size) => size > 1);
}
