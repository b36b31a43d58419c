// How often the test over seeds and rows finds a difference where there is none: between groups of one method's runs.
import { readFileSync } from "node:fs";
import { shuffler } from "../../../src/base/seededGenerator.js";
import { judged, type Resampled, resampled } from "../../../src/studies/statistics/pairedBootstrap.js";
import { meanOverRuns, twoLevelDifferences } from "../../../src/studies/statistics/twoLevel.js";
import type { OverRows } from "../../../src/tasks/metrics/parts/metric.js";
import { meanOverRows } from "../../../src/tasks/metrics/parts/sums.js";

/** What a run scored on each row. */
export interface StoredRun {
  readonly seed: number;
  readonly accuracy: readonly number[];
  readonly loss: readonly number[];
}

/** The scores of real runs that differ in the seed alone. */
export function storedRuns(): StoredRun[] {
  const path = new URL("../../golden/scores/sst2.json", import.meta.url);
  const { rows, runs } = JSON.parse(readFileSync(path, "utf8")) as {
    readonly rows: number;
    readonly runs: readonly { readonly seed: number; readonly right: string; readonly loss: readonly number[] }[];
  };
  return runs.map(({ seed, right, loss }) => {
    const bits = Array.from(right, (digit) => Number.parseInt(digit, 16).toString(2).padStart(4, "0")).join("");
    return { seed, loss, accuracy: Array.from(bits.slice(0, rows), Number) };
  });
}

const metric = meanOverRows("mean", { goal: "maximize" }, (_reference, value: number) => value) as OverRows<unknown>;

/** Each run's mean over all rows and over each resample. */
export const resampledMeans = (runs: readonly (readonly number[])[], resamples: number): Resampled[] =>
  resampled(
    "mean",
    runs.map((measured) => ({ metric, measured })),
    { resamples, seed: 0 },
  );

/** The share of splits of runs into two groups, each with so many seeds, in which p < 0.05. */
export function falseAlarms(runs: readonly Resampled[], seeds: number, splits: number): number {
  const options = { resamples: runs[0]!.drawn.length, seed: 0 };
  const shuffle = shuffler(seeds, 1);
  let alarms = 0;
  for (let split = 0; split < splits; split++) {
    const order = shuffle([...runs]);
    const groups = [order.slice(0, seeds), order.slice(seeds, 2 * seeds)].map(meanOverRuns);
    const [a, b] = groups as [ReturnType<typeof meanOverRuns>, ReturnType<typeof meanOverRuns>];
    if (judged(twoLevelDifferences("mean", a, b, options), options).p < 0.05) alarms++;
  }
  return alarms / splits;
}
