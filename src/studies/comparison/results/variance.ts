// The components of variance of each method's scores, where runs have seeds for the rows and for the rest.
import { own } from "../../../base/index.js";
import {
  bareMetric,
  type ComparedTask,
  metricName,
  metricRows,
  type VarianceEntry,
} from "../../../base/records/index.js";
import { areEnough, partWith } from "../../../tasks/metrics/parts/index.js";
import { resampled } from "../../statistics/pairedBootstrap.js";
import { mean, sampleDeviation } from "../../statistics/summary.js";
import { crossedScores, varianceComponents } from "../../statistics/varianceComponents.js";
import type { CollectedRun } from "./collectRuns.js";
import { type PredictedRun, readPredictedRuns } from "./rowTests.js";
import { scoringOf } from "./scoring.js";

/** Entries for the main metric and the loss of each method on each task. */
export async function varianceOf(
  tasks: readonly ComparedTask[],
  methods: readonly string[],
  runs: readonly CollectedRun[],
): Promise<VarianceEntry[]> {
  const entries: VarianceEntry[] = [];
  for (const { name: task, metrics } of tasks) {
    const [main] = metrics;
    const names = new Set([main.name, metricName("loss", metricRows(main.name))]);
    for (const method of methods) {
      const own = runs.filter((run) => run.task === task && run.method === method);
      for (const metric of names) {
        const entry = entryOf(own, metric);
        const rows = entry && metric === main.name ? await rowVariance(own) : null;
        if (entry) entries.push({ task, method, metric, ...entry, rows });
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

/** The variance of a run's main metric over samples of the rows, averaged over runs; null where it is undefined in too many samples. */
async function rowVariance(runs: readonly CollectedRun[]): Promise<number | null> {
  const scoring = scoringOf(runs);
  const name = bareMetric(scoring.main.name);
  const predicted = await readPredictedRuns(runs, scoring);
  if (predicted.some(({ rows }) => rows.length < 2)) return null;
  const sideOf = ({ rows }: PredictedRun) => {
    const { metric } = scoring;
    const measured = rows.map(({ reference, prediction }, i) => metric.measure(reference, prediction as object, i + 1));
    return partWith(name, { metric, measured });
  };
  const drawn = resampled(name, predicted.map(sideOf), { resamples: RESAMPLES, seed: 0 });
  const each = drawn.map(({ drawn: all }) => {
    const values = all.filter(Number.isFinite);
    return areEnough(values.length, all.length) ? (sampleDeviation(values) ?? Number.NaN) ** 2 : Number.NaN;
  });
  return each.every(Number.isFinite) ? mean(each) : null;
}
