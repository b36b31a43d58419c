import { averageRanks } from "../metrics/statistics.js";
import { roundedDifferences } from "./differences.js";

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
