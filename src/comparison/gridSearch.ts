import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import type { RunSettings } from "../config/index.js";
import { readFailures } from "../files/comparisonFolder.js";
import { metricName, readMetrics } from "../files/metrics.js";
import { isFinished } from "../files/runFolder.js";
import type { Cell, Pair } from "./cells.js";
import { hasDiverged, runStateOf } from "./collectRuns.js";
import { bestPoint } from "./grid.js";
import { watchedMetric } from "./scoring.js";

/** The points of a grid whose runs diverged, as they would again: they are not tried again. */
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
 * What did best on the rows that the runs of the grid held out; nothing where there is no grid. A point that diverged has lost to all
 * others; where all did, the first is taken, whose runs say what came of it.
 */
export function bestSettings({ task, variant }: Pair, tried: readonly Cell[]): RunSettings {
  const ofPair = tried.filter((cell) => cell.task === task.name && cell.variant === variant);
  const ended = ofPair.filter(({ folder }) => isFinished(folder));
  const [first] = ended;
  if (!first) return ofPair[0]?.point ?? {};
  const { name, goal } = watchedMetric(first.folder);
  const scores = ended.map(({ folder, point = {} }) => {
    const metrics = readMetrics(folder);
    const score = own(metrics, metricName(name, "holdout"));
    if (score === undefined)
      throw new BidoraError(
        "COMPARISON",
        `${folder} has no ${metricName(name, "holdout")}, by which the grid is chosen from.`,
      );
    return { point, score, loss: own(metrics, metricName("loss", "holdout")) };
  });
  return bestPoint(scores, goal);
}
