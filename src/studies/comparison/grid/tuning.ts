// The points of the grid that a comparison has tried, from the folders of their runs.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { group } from "d3-array";
import { own } from "../../../base/index.js";
import {
  comparedRunsIn,
  gridRunsIn,
  isFinished,
  isRunFolder,
  type JsonObject,
  RUN_FILE,
  readPlan,
  type StartEvent,
  secondsSpent,
  type TriedPoint,
} from "../../../base/records/index.js";
import { type RunSettings, readRunFile } from "../../../tasks/config/index.js";
import { round12 } from "../../statistics/summary.js";
import { eventsIn, runStateOf } from "../missingRuns.js";
import { isSameValue, keysOfPoint } from "./grid.js";
import { heldOutScore } from "./gridSearch.js";

type Tried = Omit<TriedPoint, "chosen" | "tied">;

/** All points that were tried for each method on each task, and which of them the reported runs have. */
export async function triedPoints(output: string): Promise<TriedPoint[]> {
  const tried: Tried[] = [];
  for (const run of gridRunsIn(output)) if (isRunFolder(run.folder)) tried.push(await triedPoint(output, run));
  const groups = group(tried, ({ task, method }) => JSON.stringify([task, method]));
  return [...groups.values()].flatMap((points) => withChoice(points as [Tried, ...Tried[]], output));
}

async function triedPoint(
  output: string,
  { task, method, name, folder }: ReturnType<typeof gridRunsIn>[number],
): Promise<Tried> {
  const events = await eventsIn(folder);
  const start = events.find((event): event is StartEvent => event.event === "start");
  const settings = start?.settings ?? own(readPlan(output), relative(output, folder))?.settings ?? {};
  const keys = keysOfPoint(name).filter((key) => Object.hasOwn(settings, key) && !start?.idle?.includes(key));
  const point = Object.fromEntries(keys.map((key) => [key, settings[key] ?? null]));
  const result = await resultOf(output, folder);
  return { task, method, seed: Number(settings.seed ?? 0), point, ...result, seconds: secondsSpent(events) };
}

async function resultOf(output: string, folder: string): Promise<Pick<Tried, "score" | "reason">> {
  const score = isFinished(folder) ? heldOutScore(folder) : undefined;
  if (score !== undefined) return { score };
  const standing = await runStateOf(output, folder);
  return { score: null, reason: standing.state === "failed" ? standing.reason : standing.state };
}

/** Marks the point whose values the reported runs have. */
function withChoice(points: readonly [Tried, ...Tried[]], output: string): TriedPoint[] {
  const [{ task, method }] = points;
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
