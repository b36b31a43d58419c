// Which value of a setting is best, and how sure that is: a bootstrap over seeds.
import { UsageError } from "../../base/index.js";
import type { Goal } from "../../base/records/index.js";
import { bootstrapSamples, checkBootstrap } from "../../tasks/metrics/parts/index.js";
import { mean, round12 } from "./summary.js";

export interface BestPoints {
  /** The place of the best point, the first of equal ones. */
  readonly best: number;
  /** The share of resamples in which each point is the best; equal points share. Null for one seed. */
  readonly shares: readonly number[] | null;
  /**
   * By how much the best point's mean is too good, because the same runs chose it: the mean over resamples of the best point's mean in the
   * resample less this point's mean over all seeds, at least 0 for both goals (Efron & Tibshirani 1993, An Introduction to the Bootstrap,
   * §17.6, where the statistic is the apparent error). Null for one seed.
   */
  readonly optimism: number | null;
}

/**
 * @param scores the scores of each point, in the same order of seeds. A point with a score that is not finite, of a run that diverged, is
 * never the best
 * @returns undefined if no point has finite scores
 */
export function bestPoints(scores: readonly (readonly number[])[], goal: Goal): BestPoints | undefined {
  const sign = goal === "maximize" ? 1 : -1;
  const seeds = scores[0]?.length ?? 0;
  if (scores.some(({ length }) => length !== seeds))
    throw new UsageError("Expected the same seeds at each point of a curve: leave out seeds that lack a run.");
  const known = scores.map((values) => values.every(Number.isFinite));
  const meansOf = (places: ArrayLike<number>): number[] =>
    scores.map((values, i) =>
      known[i] ? sign * mean(Array.from(places, (place) => values[place]!)) : Number.NEGATIVE_INFINITY,
    );
  const means = meansOf(Array.from({ length: seeds }, (_, seed) => seed));
  const [best] = largest(means);
  if (best === undefined || seeds === 0) return undefined;
  if (seeds === 1) return { best, shares: null, optimism: null };
  const shares = scores.map(() => 0);
  let optimism = 0;
  const options = checkBootstrap({ seed: SEED, resamples: RESAMPLES });
  for (const places of bootstrapSamples(seeds, options)) {
    const drawn = meansOf(places);
    const winners = largest(drawn);
    for (const i of winners) {
      shares[i]! += 1 / winners.length;
      // The best point's own deviation is 0 on average: without it there is less chance in the result.
      optimism += (drawn[i]! - means[i]! - (drawn[best]! - means[best]!)) / winners.length;
    }
  }
  return {
    best,
    shares: shares.map((wins) => wins / RESAMPLES),
    optimism: Math.max(0, round12(optimism / RESAMPLES)),
  };
}

const RESAMPLES = 10_000;
/** Of the resamples: the same runs always give the same numbers. */
const SEED = 0;

/** The places of the largest finite values. */
function largest(values: readonly number[]): number[] {
  const most = Math.max(...values);
  return values.flatMap((value, i) => (Number.isFinite(value) && round12(value) === round12(most) ? [i] : []));
}
