import type { PairedEffect } from "../files/comparison.js";
import { roundedDifferences } from "./differences.js";
import { mean, sampleDeviation } from "./moments.js";
import { signedRanks } from "./signedRanks.js";

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
