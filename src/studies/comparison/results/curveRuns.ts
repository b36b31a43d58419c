// The runs of the curve, and each method's scores over its setting.
import { group } from "d3-array";
import { own } from "../../../base/index.js";
import {
  type ComparedMetric,
  type ComparedTask,
  type CurvePoint,
  type CurveRun,
  type CurveSummary,
  curveRunsIn,
  isFinished,
  readMetrics,
  type StartEvent,
  secondsSpent,
  seedsName,
} from "../../../base/records/index.js";
import { bestPoints } from "../../statistics/bestPoints.js";
import { mean, sampleDeviation } from "../../statistics/summary.js";
import { conditionsOf } from "../plan/conditions.js";
import { refuseMixed } from "../plan/plan.js";
import { eventsIn, hasDiverged, runStateOf } from "./collectRuns.js";
import { pointOf } from "./gridSearch.js";

/**
 * Every run of the curve that was planned or is there.
 * @throws BidoraError `COMPARISON` if the seeds at one value were run under different conditions
 */
export async function curveRuns(output: string): Promise<CurveRun[]> {
  const found: CurveRun[] = [];
  const made: Parameters<typeof refuseMixed>[0][number][] = [];
  for (const { name, folder, ...id } of curveRunsIn(output)) {
    const events = await eventsIn(folder);
    const { point } = pointOf(output, folder, name, events);
    // A setting without effect on the method has no curve.
    if (Object.keys(point).length === 0) continue;
    const start = events.findLast((event): event is StartEvent => event.event === "start");
    if (start) made.push({ ...id, method: `${id.method} ${name}`, folder, conditions: conditionsOf(start, events) });
    found.push({ ...id, point, ...(await resultOf(output, folder)), seconds: secondsSpent(events) });
  }
  refuseMixed(made);
  return found;
}

async function resultOf(output: string, folder: string): Promise<Pick<CurveRun, "metrics" | "reason" | "diverged">> {
  if (isFinished(folder)) return { metrics: readMetrics(folder) };
  const standing = await runStateOf(output, folder);
  if (standing.state !== "failed") return { metrics: null, reason: standing.state };
  return { metrics: null, reason: standing.reason, ...(hasDiverged(standing) && { diverged: true }) };
}

/** What the runs show of each method on each task, in the order of both; nothing of a method without a seed that ended at all values. */
export function curvesOf(
  runs: readonly CurveRun[],
  tasks: readonly ComparedTask[],
  methods: readonly string[],
): CurveSummary[] {
  return tasks.flatMap(({ name, metrics: [main] }) =>
    methods.flatMap((method) => {
      const own = runs.filter((run) => run.task === name && run.method === method);
      const settings = group(own, ({ point }) => Object.keys(point)[0]!);
      return [...settings].flatMap(([setting, ofSetting]) => curveOf(ofSetting, setting, main) ?? []);
    }),
  );
}

function curveOf(runs: readonly CurveRun[], setting: string, metric: ComparedMetric): CurveSummary | undefined {
  const { task, method } = runs[0]!;
  const scoreOf = ({ diverged, metrics }: CurveRun): number | undefined =>
    diverged ? Number.NaN : own(metrics ?? {}, metric.name);
  const byValue = new Map<number, Map<string, number>>();
  const values = [...new Set(runs.map(({ point }) => Number(point[setting])))].sort((a, b) => a - b);
  for (const value of values) byValue.set(value, new Map());
  for (const run of runs) {
    const score = scoreOf(run);
    if (score !== undefined) byValue.get(Number(run.point[setting]))!.set(seedsName(run), score);
  }
  const ofSeeds = sortBySeeds(runs.filter(({ point }) => Number(point[setting]) === values[0]));
  const complete = ofSeeds.filter((run) => values.every((value) => byValue.get(value)!.has(seedsName(run))));
  if (complete.length === 0) return undefined;
  const seeds = complete.map(({ seed }) => seed);
  const scores = values.map((value) => complete.map((run) => byValue.get(value)!.get(seedsName(run))!));
  const found = bestPoints(scores, metric.goal);
  const points = values.map((value, i): CurvePoint => pointFrom(value, scores[i]!, found?.shares?.[i] ?? null));
  return {
    ...{ task, method, setting, metric, seeds, points },
    best: found ? values[found.best]! : null,
    optimism: found?.optimism ?? null,
  };
}

const sortBySeeds = (runs: readonly CurveRun[]): CurveRun[] =>
  runs.toSorted((a, b) => a.seed - b.seed || (a.dataSeed ?? 0) - (b.dataSeed ?? 0));

function pointFrom(value: number, scores: readonly number[], best: number | null): CurvePoint {
  const ended = scores.filter(Number.isFinite);
  const diverged = scores.length - ended.length;
  if (diverged > 0) return { value, mean: null, deviation: null, diverged, best };
  return { value, mean: mean(ended), deviation: sampleDeviation(ended), diverged, best };
}
