const LEVEL = 0.05;

/** The smallest p-value that n pairs can have: all signs one way, one of the 2^n equally likely ones on either side. */
const smallest = (pairs: number): number => Math.min(1, 2 / 2 ** pairs);

/**
 * The sentence to say where no outcome whatever could be significant (p < 0.05 by Wilcoxon's exact test), undefined where one
 * could. It holds for ties too: there the normal distribution stands in for the exact one, and from 4 tied pairs on gives p-values
 * below 0.05 that no exact test of so few has.
 * @param pairs how many pairs are tested; those without a difference tell nothing, so that fewer may count
 * @param family how many tests Holm's correction is over: their smallest p-value is multiplied by it
 */
export function tooFewToTell(pairs: number, family = 1): string | undefined {
  const least = smallest(pairs) * family;
  if (least < LEVEL) return undefined;
  const needed = Math.floor(Math.log2((2 * family) / LEVEL)) + 1;
  const corrected = family > 1 ? `, corrected for ${family} tests` : "";
  const have = pairs === 1 ? "1 pair of runs is" : `${pairs} pairs of runs are`;
  const limit = Number(Math.min(1, least).toPrecision(3));
  return `${have} too few to tell: whatever comes out, the smallest p that an exact test can give is ${limit}${corrected}; at least ${needed} pairs are needed for p < ${LEVEL}.`;
}
