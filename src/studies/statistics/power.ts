// Which difference the bootstrap over seeds and rows finds, before the runs are made.
import { quantile, variance } from "d3-array";
import { meanSquare, seededNormals, studentDraws } from "./draws.js";
import { mean } from "./summary.js";

/** How the difference of a metric between two methods varies. */
export interface Spread {
  /** The variance between seeds, on the same rows. */
  readonly seeds: number;
  /** The variance over samples of rows: the part that all seeds share, and the part that each has for itself. */
  readonly rows: number;
  readonly rowsOfSeed: number;
}

/** A difference over all rows and over each resample, for one seed. */
interface SeedDifference {
  readonly whole: number;
  readonly drawn: readonly number[];
}

/**
 * The spread by runs with several seeds: the variance of resampled means over S seeds is that of the shared part and a S-th of each seed's
 * own, of single seeds it is that of both.
 */
export function spreadOf(bySeed: readonly SeedDifference[]): Spread {
  const count = bySeed.length;
  const of = (values: readonly number[]) => variance(values.filter(Number.isFinite)) ?? 0;
  const single = mean(bySeed.map(({ drawn }) => of(drawn)));
  const together = of(bySeed[0]!.drawn.map((_, i) => mean(bySeed.map(({ drawn }) => drawn[i]!))));
  const rows = Math.min(single, Math.max(0, (count * together - single) / (count - 1)));
  return { seeds: variance(bySeed.map(({ whole }) => whole))!, rows, rowsOfSeed: single - rows };
}

export const meanSpread = (spreads: readonly Spread[]): Spread => ({
  seeds: mean(spreads.map(({ seeds }) => seeds)),
  rows: mean(spreads.map(({ rows }) => rows)),
  rowsOfSeed: mean(spreads.map(({ rowsOfSeed }) => rowsOfSeed)),
});

/**
 * The spread over another number of rows. The variance between seeds includes the part that each seed has for itself.
 * @param scale the number of rows of the given spread, as a multiple of the other
 */
export const scaledSpread = ({ seeds, rows, rowsOfSeed }: Spread, scale: number): Spread => ({
  seeds: Math.max(0, seeds - rowsOfSeed) + scale * rowsOfSeed,
  rows: scale * rows,
  rowsOfSeed: scale * rowsOfSeed,
});

const POWER = 0.8;
const LEVEL = 0.05;
const CASES = 4000;
const DRAWS = 10_000;
const ANGLES = 32;
const SEED = 0;

/**
 * The difference between two methods that the bootstrap over seeds and rows finds (p < 0.05, uncorrected) in 80 % of comparisons, by
 * simulation: of each comparison the observed difference varies with rows and seeds around the true one, and the deviation between its
 * seeds, on which the test's critical value depends, around theirs.
 * @param seeds at least two
 */
export function detectableDifference({ seeds: ofSeeds, rows, rowsOfSeed }: Spread, seeds: number): number {
  const [freedom, normal] = [seeds - 1, seededNormals(SEED)];
  const critical = criticalValues(freedom);
  const resampled = Math.sqrt(rows + rowsOfSeed / seeds);
  const observed = Math.sqrt(rows + ofSeeds / seeds);
  const needed = Array.from({ length: CASES }, () => {
    const error = Math.sqrt((ofSeeds * meanSquare(normal, freedom)) / seeds);
    return critical(resampled, error) - observed * normal();
  });
  return Math.max(0, quantile(needed, POWER)!);
}

/** What |z·rows + t·error| exceeds in 5 % of cases, z being normal and t of Student's distribution. */
function criticalValues(freedom: number): (rows: number, error: number) => number {
  const [normal, student] = [seededNormals(SEED + 1), studentDraws(DRAWS, freedom, SEED)];
  const normals = Float64Array.from({ length: DRAWS }, normal);
  const atAngle = Array.from({ length: ANGLES + 1 }, (_, i) => {
    const angle = ((i / ANGLES) * Math.PI) / 2;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    return quantile(
      normals.map((z, draw) => Math.abs(z * cos + student[draw]! * sin)),
      1 - LEVEL,
    )!;
  });
  return (rows, error) => {
    const place = (Math.atan2(error, rows) / (Math.PI / 2)) * ANGLES;
    const before = Math.min(ANGLES - 1, Math.floor(place));
    const between = atAngle[before]! + (place - before) * (atAngle[before + 1]! - atAngle[before]!);
    return Math.hypot(rows, error) * between;
  };
}
