import { roundedDifferences } from "./differences.js";
import { mean, sampleDeviation } from "./moments.js";
import { signedRanks } from "./signedRanks.js";

/** How large the differences a − b of paired samples are. What has no value is null, as JSON has no NaN. */
export interface PairedEffect {
  /** In the unit of the scores. */
  readonly meanDifference: number;
  /** Of the mean difference: the sample deviation of the differences over √n; null for one pair. */
  readonly standardError: number | null;
  /** Cohen's d_z: the mean difference over the sample deviation of the differences; null where that is 0 or there is none. */
  readonly cohensDz: number | null;
  /**
   * The matched-pairs rank-biserial correlation, (W+ − W−) / (W+ + W−): 1 where a is above b in every pair that differs, −1
   * where it is below, 0 where none differs.
   */
  readonly rankBiserial: number;
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
