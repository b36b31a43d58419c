import { describe, expect, test } from "vitest";
import { falseAlarms, resampledMeans, storedRuns } from "./falseAlarms.js";
import { type Process, shareFound } from "./simulated.js";

const SPLITS = 400;
const RESAMPLES = 500;
const SEEDS = Array.from({ length: 11 }, (_, i) => i + 2);

/** The run that learned nothing: without it, the others differ little. */
const COLLAPSED = 12;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

describe("groups of one method's runs differ (p < 0.05) in at most 7 % of splits", () => {
  test.each([
    ["accuracy", "24 runs"],
    ["loss", "24 runs"],
    ["accuracy", "23 runs"],
    ["loss", "23 runs"],
  ] as const)(
    "%s of %s",
    (metric, which) => {
      const runs = storedRuns().filter(({ seed }) => which === "24 runs" || seed !== COLLAPSED);
      const means = resampledMeans(
        runs.map((run) => run[metric]),
        RESAMPLES,
      );
      const found = SEEDS.filter((seeds) => 2 * seeds <= runs.length).map((seeds) => ({
        seeds,
        share: falseAlarms(means, seeds, SPLITS),
      }));
      console.log(`${metric}, ${which}: ${found.map(({ seeds, share }) => `${seeds}: ${percent(share)}`).join(", ")}`);
      for (const { seeds, share } of found) expect(share, `${seeds} seeds`).toBeLessThanOrEqual(0.07);
    },
    600_000,
  );
});

describe("two methods that are equal differ (p < 0.05) in 5 % of simulated comparisons at most", () => {
  const shared = { rows: 100, noise: 0.5 };
  const processes: readonly Process[] = [2, 3, 5, 12].flatMap((seeds) => [
    { ...shared, seeds, ofRow: 1, ofSeed: 0.01 },
    { ...shared, seeds, ofRow: 1, ofSeed: 0.1 },
    { ...shared, seeds, ofRow: 0.1, ofSeed: 1 },
  ]);
  test.each(processes)(
    "%o",
    (process) => {
      const share = shareFound(process, 0, 500, 199);
      console.log(`${JSON.stringify(process)}: ${percent(share)}`);
      // three standard errors of a share of 500 around 5 %
      expect(share).toBeLessThan(0.08);
    },
    600_000,
  );
});
