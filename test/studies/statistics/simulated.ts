// Comparisons with a known process: the difference of two methods on a row with a seed is δ + row + seed + noise, each normal.
import { seededNormals } from "../../../src/studies/statistics/draws.js";
import { judged, type PairedBootstrap, resampled } from "../../../src/studies/statistics/pairedBootstrap.js";
import type { Spread } from "../../../src/studies/statistics/power.js";
import { meanOverRuns, twoLevelDifferences } from "../../../src/studies/statistics/twoLevel.js";
import type { OverRows } from "../../../src/tasks/metrics/parts/metric.js";
import { meanOverRows } from "../../../src/tasks/metrics/parts/sums.js";

/** Standard deviations. */
export interface Process {
  readonly rows: number;
  readonly seeds: number;
  readonly ofRow: number;
  readonly ofSeed: number;
  readonly noise: number;
}

const metric = meanOverRows("mean", { goal: "maximize" }, (_reference, value: number) => value) as OverRows<unknown>;

export const spreadOfProcess = ({ rows, ofRow, ofSeed, noise }: Process): Spread => ({
  seeds: ofSeed ** 2 + noise ** 2 / rows,
  rows: ofRow ** 2 / rows,
  rowsOfSeed: noise ** 2 / rows,
});

/** The differences on each row, by seed. */
export function simulated({ rows, seeds, ofRow, ofSeed, noise }: Process, difference: number, normal: () => number) {
  const byRow = Array.from({ length: rows }, () => difference + ofRow * normal());
  return Array.from({ length: seeds }, () => {
    const shift = ofSeed * normal();
    return byRow.map((value) => value + shift + noise * normal());
  });
}

export function tested(
  bySeed: readonly (readonly number[])[],
  options: { resamples: number; seed: number },
): PairedBootstrap {
  const drawn = resampled(
    "mean",
    bySeed.map((measured) => ({ metric, measured })),
    options,
  );
  const zero = { whole: 0, drawn: drawn[0]!.drawn.map(() => 0) };
  return judged(
    twoLevelDifferences("mean", meanOverRuns(drawn), meanOverRuns(drawn.map(() => zero)), options),
    options,
  );
}

/** The share of comparisons in which at most 5 % of the resamples are as far, which is p < 0.05 for many resamples. */
export function shareFound(process: Process, difference: number, comparisons: number, resamples = 199): number {
  const normal = seededNormals(17);
  let found = 0;
  for (let seed = 0; seed < comparisons; seed++) {
    const { p } = tested(simulated(process, difference, normal), { resamples, seed });
    if (p * (1 + resamples) - 1 <= 0.05 * resamples) found++;
  }
  return found / comparisons;
}
