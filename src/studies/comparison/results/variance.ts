// The components of variance of each method's scores, where runs have seeds for the rows and for the rest.
import { own } from "../../../base/index.js";
import {
  bareMetric,
  type ComparedTask,
  metricName,
  metricRows,
  type VarianceEntry,
} from "../../../base/records/index.js";
import { areEnough } from "../../../tasks/metrics/parts/index.js";
import { resampled } from "../../statistics/pairedBootstrap.js";
import { mean, sampleDeviation } from "../../statistics/summary.js";
import { crossedScores, varianceComponents } from "../../statistics/varianceComponents.js";
import type { CollectedRun } from "./collectRuns.js";
import { readPredictedRuns } from "./predictedRuns.js";
import { lossSide, type Side, sideOf } from "./rowTests.js";
import { scoringOf } from "./scoring.js";

/** Entries for the main metric and the loss of each method on each task. @param mains the main metrics that were asked for, by task */
export async function varianceOf(
  tasks: readonly ComparedTask[],
  methods: readonly string[],
  runs: readonly CollectedRun[],
  mains: Readonly<Record<string, string>> = {},
): Promise<VarianceEntry[]> {
  const entries: VarianceEntry[] = [];
  for (const { name: task, metrics } of tasks) {
    const [main] = metrics;
    const names = new Set([main.name, metricName("loss", metricRows(main.name))]);
    for (const method of methods) {
      const own = runs.filter((run) => run.task === task && run.method === method);
      for (const metric of names) {
        const entry = entryOf(own, metric);
        if (entry) entries.push({ task, method, metric, ...entry, rows: await rowVariance(own, metric, mains[task]) });
      }
    }
  }
  return entries;
}

type Entry = Omit<VarianceEntry, "task" | "method" | "metric" | "rows">;

function entryOf(runs: readonly CollectedRun[], metric: string): Entry | undefined {
  const scored = runs.flatMap((run) => {
    const score = own(run.metrics, metric);
    return score === undefined ? [] : [{ ...run, score }];
  });
  const scores = crossedScores(scored);
  return scores && { seeds: scores[0]!.length, dataSeeds: scores.length, ...varianceComponents(scores) };
}

const RESAMPLES = 2000;

/**
 * The variance of a run's score over samples of the rows, averaged over runs; null where rows do not have the loss, as in runs of earlier
 * versions, and where the metric is undefined in too many samples.
 */
async function rowVariance(
  runs: readonly CollectedRun[],
  metric: string,
  mainMetric: string | undefined,
): Promise<number | null> {
  const scoring = scoringOf(runs, mainMetric);
  const { main, loss } = scoring;
  const predicted = await readPredictedRuns(runs, scoring);
  const sides = predicted.map((one) =>
    metric === main.name ? sideOf(one, scoring) : loss ? lossSide(one, loss) : undefined,
  );
  if (!sides.every((side) => side !== undefined && side.measured.length > 1)) return null;
  const drawn = resampled(bareMetric(metric), sides as Side[], { resamples: RESAMPLES, seed: 0 });
  const each = drawn.map(({ drawn: all }) => {
    const values = all.filter(Number.isFinite);
    return areEnough(values.length, all.length) ? (sampleDeviation(values) ?? Number.NaN) ** 2 : Number.NaN;
  });
  return each.every(Number.isFinite) ? mean(each) : null;
}
