// The points that a comparison has tried, from the folders of their runs.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { BidoraError, own } from "../../../base/index.js";
import {
  comparedRunsIn,
  gridRunsIn,
  isFinished,
  isRunFolder,
  type JsonObject,
  metricName,
  RUN_FILE,
  type RunEvent,
  readFailures,
  readMetrics,
  readPlan,
  type StartEvent,
  secondsSpent,
  type TriedPoint,
} from "../../../base/records/index.js";
import { omit } from "../../../base/settings/index.js";
import { type RunKey, type RunSettings, readRunFile, resolveRun } from "../../../tasks/config/index.js";
import { byPair } from "../../statistics/competing.js";
import { round12 } from "../../statistics/summary.js";
import type { Cell, Pair } from "../plan/cells.js";
import { bestPoint, isSameValue, keysOfPoint } from "../plan/grid.js";
import type { RequestedResults } from "../spec/spec.js";
import { eventsIn, hasDiverged, runStateOf } from "./collectRuns.js";
import { watchedMetric } from "./scoring.js";

/** The runs that diverged at a point or at a value of the curve. They would diverge again, so they are not repeated. */
export async function divergedCells(output: string, tried: readonly Cell[]): Promise<ReadonlySet<Cell>> {
  const [diverged, failures] = [new Set<Cell>(), readFailures(output)];
  for (const cell of tried) {
    if (isFinished(cell.folder)) continue;
    const standing = await runStateOf(output, cell.folder, failures);
    if (standing.state === "failed" && hasDiverged(standing)) diverged.add(cell);
  }
  return diverged;
}

/**
 * The settings of the point with the best score on held-out rows; none if none is tried. Points that diverged lose to all others; if
 * all diverged, the first is taken, and the reported runs show the failure.
 */
export function bestSettings({ task, variant }: Pair, tried: readonly Cell[]): RunSettings {
  const ofPair = tried.filter((cell) => cell.task === task.name && cell.variant === variant);
  const ended = ofPair.filter(({ folder }) => isFinished(folder));
  const [first] = ended;
  if (!first) return ofPair[0]?.point ?? {};
  const { goal } = watchedMetric(first.folder, task.mainMetric);
  const scores = ended.map(({ folder, point = {}, settings }) => {
    const score = heldOutScore(folder, task.mainMetric);
    if (score === undefined)
      throw new BidoraError(
        "COMPARISON",
        `${folder} has no ${metricName(watchedMetric(folder, task.mainMetric).name, "holdout")}, which --tune needs to choose a point.`,
      );
    return { point, score, defaults: defaultsIn(settings, point) };
  });
  return bestPoint(scores, goal);
}

/** The score by which the run of a point is judged, if it has it. */
const heldOutScore = (folder: string, mainMetric: string | undefined): number | undefined =>
  own(readMetrics(folder), metricName(watchedMetric(folder, mainMetric).name, "holdout"));

/** How many of a point's values the run would have without them. */
function defaultsIn(settings: RunSettings, point: RunSettings): number {
  const config = resolveRun(settings);
  const keys = Object.keys(point) as RunKey[];
  return keys.filter((key) => isSameValue(config[key], resolveRun(omit(settings, key))[key])).length;
}

type Tried = Omit<TriedPoint, "chosen" | "tied">;

type MainMetrics = NonNullable<RequestedResults["mainMetrics"]>;

/** All points that were tried for each method on each task, and which of them the reported runs have. */
export async function triedPoints(output: string, mains: MainMetrics = {}): Promise<TriedPoint[]> {
  const tried: Tried[] = [];
  for (const run of gridRunsIn(output)) if (isRunFolder(run.folder)) tried.push(await triedPoint(output, run, mains));
  return byPair(tried).flatMap((points) => withChoice(points, output));
}

async function triedPoint(
  output: string,
  { task, method, name, folder }: ReturnType<typeof gridRunsIn>[number],
  mains: MainMetrics,
): Promise<Tried> {
  const events = await eventsIn(folder);
  const { point, settings } = pointOf(output, folder, name, events);
  const result = await resultOf(output, folder, own(mains, task));
  return { task, method, seed: Number(settings.seed ?? 0), point, ...result, seconds: secondsSpent(events) };
}

/** The point that a run has in its folder's name, without the settings that have no effect on its method, and all settings of the run. */
export function pointOf(output: string, folder: string, name: string, events: readonly RunEvent[]) {
  const start = events.find((event): event is StartEvent => event.event === "start");
  const settings = start?.settings ?? own(readPlan(output), relative(output, folder))?.settings ?? {};
  const keys = keysOfPoint(name).filter((key) => Object.hasOwn(settings, key) && !start?.idle?.includes(key));
  const point: JsonObject = Object.fromEntries(keys.map((key) => [key, settings[key] ?? null]));
  return { point, settings };
}

async function resultOf(
  output: string,
  folder: string,
  mainMetric: string | undefined,
): Promise<Pick<Tried, "score" | "reason">> {
  const score = isFinished(folder) ? heldOutScore(folder, mainMetric) : undefined;
  if (score !== undefined) return { score };
  const standing = await runStateOf(output, folder);
  return { score: null, reason: standing.state === "failed" ? standing.reason : standing.state };
}

/** Marks the point whose values the reported runs have. */
function withChoice(points: readonly Tried[], output: string): TriedPoint[] {
  const { task, method } = points[0]!;
  const reported = comparedRunsIn(output)
    .filter((run) => run.task === task && run.method === method)
    .map(({ folder }) => join(folder, RUN_FILE));
  const made = reported.filter((path) => existsSync(path)).map(readRunFile);
  return points.map((one) => {
    const chosen = made.some((settings) => hasValues(settings, one.point));
    const tied = points.filter(({ score }) => one.score !== null && score !== null && isTie(score, one.score)).length;
    return { ...one, chosen, ...(chosen && tied > 1 && { tied }) };
  });
}

const isTie = (a: number, b: number): boolean => round12(a) === round12(b);

const hasValues = (settings: RunSettings, point: JsonObject): boolean =>
  Object.entries(point).every(([key, value]) => isSameValue(settings[key as keyof RunSettings], value));
