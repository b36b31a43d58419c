import { describe, expect, it, test } from "vitest";
import { seededNormals } from "../../../src/studies/statistics/draws.js";
import { resampled } from "../../../src/studies/statistics/pairedBootstrap.js";
import { detectableDifference, meanSpread, scaledSpread, spreadOf } from "../../../src/studies/statistics/power.js";
import type { OverRows } from "../../../src/tasks/metrics/parts/metric.js";
import { meanOverRows } from "../../../src/tasks/metrics/parts/sums.js";
import { few } from "../../support/few.js";
import { type Process, shareFound, simulated, spreadOfProcess } from "./simulated.js";

const PROCESSES: readonly (Process & { readonly resamples?: number })[] = [
  { rows: 40, seeds: 5, ofRow: 1, ofSeed: 0.1, noise: 0.5 },
  { rows: 40, seeds: 3, ofRow: 0.5, ofSeed: 1, noise: 0.5 },
  { rows: 40, seeds: 2, ofRow: 1, ofSeed: 0.05, noise: 0.2 },
  { rows: 40, seeds: 2, ofRow: 0.2, ofSeed: 1, noise: 0.2, resamples: 1999 },
  { rows: 40, seeds: 10, ofRow: 1, ofSeed: 0.2, noise: 1 },
];
const COMPARISONS = 300;

describe("the difference that is said to be found in 80 % of comparisons", () => {
  it.each(few(PROCESSES, 1))(
    "is found in so many: %o",
    (process) => {
      const difference = detectableDifference(spreadOfProcess(process), process.seeds);
      const share = shareFound(process, difference, COMPARISONS, process.resamples);
      // three standard errors of a share of 300 around 0.8
      expect(share).toBeGreaterThan(0.73);
      expect(share).toBeLessThan(0.87);
    },
    100_000,
  );
});

test("it is smaller with more seeds, in the unit of the scores, and 0 where nothing varies", () => {
  const spread = { seeds: 1, rows: 0.01, rowsOfSeed: 0.02 };
  const found = [2, 3, 5, 10, 20].map((seeds) => detectableDifference(spread, seeds));
  expect(found).toEqual(found.toSorted((a, b) => b - a));
  const times = (factor: number) => ({ seeds: factor ** 2, rows: 0.01 * factor ** 2, rowsOfSeed: 0.02 * factor ** 2 });
  expect(detectableDifference(times(100), 3)).toBeCloseTo(100 * found[1]!, 9);
  expect(detectableDifference({ seeds: 0, rows: 0, rowsOfSeed: 0 }, 3)).toBe(0);
});

test("the spread over another number of rows is that of runs with so many", () => {
  const process: Process = { rows: 100, seeds: 4, ofRow: 1, ofSeed: 0.3, noise: 0.8 };
  for (const rows of [10, 10_000]) {
    const [found, expected] = [
      scaledSpread(spreadOfProcess(process), 100 / rows),
      spreadOfProcess({ ...process, rows }),
    ];
    for (const name of ["seeds", "rows", "rowsOfSeed"] as const) expect(found[name]).toBeCloseTo(expected[name], 12);
  }
  // An estimate of the seeds' variance can be below its part.
  expect(scaledSpread({ seeds: 1, rows: 0, rowsOfSeed: 2 }, 0.5).seeds).toBe(1);
});

test("the spread of simulated runs is estimated without bias", () => {
  const process: Process = { rows: 80, seeds: 4, ofRow: 1, ofSeed: 0.3, noise: 0.8 };
  const metric = meanOverRows("mean", { goal: "maximize" }, (_reference, value: number) => value) as OverRows<unknown>;
  const normal = seededNormals(3);
  const spreads = Array.from({ length: 150 }, (_, seed) => {
    const sides = simulated(process, 0, normal).map((measured) => ({ metric, measured }));
    return spreadOf(resampled("mean", sides, { resamples: 200, seed }));
  });
  const [found, expected] = [meanSpread(spreads), spreadOfProcess(process)];
  for (const name of ["seeds", "rows", "rowsOfSeed"] as const)
    expect(found[name] / expected[name], name).toBeCloseTo(1, 0.7);
});
