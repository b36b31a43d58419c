import { BidoraError, own } from "../../../base/index.js";
import { isFinished, metricName, readFailures, readMetrics } from "../../../base/records/index.js";
import { omit } from "../../../base/settings/index.js";
import { type RunKey, type RunSettings, resolveRun } from "../../../tasks/config/index.js";
import type { Cell, Pair } from "../cells.js";
import { hasDiverged, runStateOf } from "../missingRuns.js";
import { bestPoint, isSameValue } from "./grid.js";
import { watchedMetric } from "./scoring.js";

/** The grid runs that diverged. They would diverge again, so they are not repeated. */
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
 * The settings of the grid point with the best score on held-out rows; none without a grid. Points that diverged lose to all others; if
 * all diverged, the first is taken, and the reported runs show the failure.
 */
export function bestSettings({ task, variant }: Pair, tried: readonly Cell[]): RunSettings {
  const ofPair = tried.filter((cell) => cell.task === task.name && cell.variant === variant);
  const ended = ofPair.filter(({ folder }) => isFinished(folder));
  const [first] = ended;
  if (!first) return ofPair[0]?.point ?? {};
  const { goal } = watchedMetric(first.folder);
  const scores = ended.map(({ folder, point = {}, settings }) => {
    const score = heldOutScore(folder);
    if (score === undefined)
      throw new BidoraError(
        "COMPARISON",
        `${folder} has no ${metricName(watchedMetric(folder).name, "holdout")}, which the grid search needs to choose a point.`,
      );
    return { point, score, defaults: defaultsIn(settings, point) };
  });
  return bestPoint(scores, goal);
}

/** The score by which a run of a grid is judged, if it has it. */
export const heldOutScore = (folder: string): number | undefined =>
  own(readMetrics(folder), metricName(watchedMetric(folder).name, "holdout"));

/** How many of a point's values the run would have without them. */
function defaultsIn(settings: RunSettings, point: RunSettings): number {
  const config = resolveRun(settings);
  const keys = Object.keys(point) as RunKey[];
  return keys.filter((key) => isSameValue(config[key], resolveRun(omit(settings, key))[key])).length;
}
