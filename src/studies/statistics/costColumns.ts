/** The table columns that say what runs cost, and what a run had cost when it reached a score. */
import { sum } from "d3-array";
import { formatBytes, formatCount, formatNumber, formatSeconds } from "../../base/index.js";
import type {
  ComparedRun,
  ComparedTask,
  Comparison,
  Cost,
  Goal,
  ScoredRows,
  ScoreReached,
  TriedPoint,
} from "../../base/records/index.js";
import { gridPointsOf } from "./gridNotes.js";
import { NOTHING, plain, type ResultCell, type ResultColumn } from "./renderTable.js";
import { mean } from "./summary.js";

/**
 * Trained parameters, means over seeds (time, peak memory and, for a task with a target score, time and steps to reach it), and the points
 * of the grid with their time.
 */
export function costColumns(
  { methods, runs, tuning = [] }: Comparison,
  task: ComparedTask,
  reached: ScoreReached | undefined,
): ResultColumn[] {
  const column = (title: string, cellOf: (method: string) => ResultCell): ResultColumn => ({
    group: task.name,
    title,
    align: "right",
    cells: methods.map(cellOf),
  });
  const over =
    (read: (run: ComparedRun) => number, format: (values: readonly number[]) => string) => (method: string) =>
      plain(formatKnown(runs.filter((run) => run.task === task.name && run.method === method).map(read), format));
  return [
    column(
      "Trained parameters",
      over((run) => run.trainedParameters, formatRange),
    ),
    column(
      "Time",
      over(
        (run) => run.seconds,
        (values) => formatSeconds(mean(values)),
      ),
    ),
    column(
      "Peak memory",
      over(
        (run) => run.peakMemoryBytes,
        (values) => formatBytes(mean(values)),
      ),
    ),
    ...(tuning.length > 0
      ? [column("Grid", (method) => plain(gridText(gridPointsOf({ tuning }, task.name, method))))]
      : []),
    ...(reached ? reachColumns(reached, task.rows, column) : []),
  ];
}

function gridText(tried: readonly TriedPoint[]): string {
  if (tried.length === 0) return NOTHING;
  const seconds = sum(tried, ({ seconds }) => seconds ?? 0);
  return `${formatCount(tried.length)} ${tried.length === 1 ? "point" : "points"}, ${formatSeconds(seconds)}`;
}

function reachColumns(
  { target, split, runs }: ScoreReached,
  rows: ScoredRows | undefined,
  column: (title: string, cellOf: (method: string) => ResultCell) => ResultColumn,
): ResultColumn[] {
  const over = (read: (cost: Cost) => number, format: (value: number) => string) => (method: string) => {
    const evaluated = runs.filter((run) => run.method === method);
    const costs = evaluated.flatMap(({ cost }) => (cost ? read(cost) : []));
    if (evaluated.length === 0) return plain(NOTHING);
    if (costs.length === 0) return plain("not reached");
    // Without the share, the mean over the runs that reached the score would flatter a method that rarely does.
    const share = costs.length < evaluated.length ? ` (${costs.length} of ${evaluated.length})` : "";
    return plain(`${format(mean(costs))}${share}`);
  };
  const isOther = split !== undefined && rows !== undefined && split !== rows.split;
  const score = `${formatNumber(target)}${isOther ? ` on ${split} rows` : ""}`;
  return [
    column(
      `Time to ${score}`,
      over((cost) => cost.seconds, formatSeconds),
    ),
    column(
      `Steps to ${score}`,
      over(
        (cost) => cost.step,
        (steps) => formatCount(Math.round(steps)),
      ),
    ),
  ];
}

/** Values that are missing in a run's files are left out. */
function formatKnown(values: readonly number[], format: (values: readonly number[]) => string): string {
  const known = values.filter(Number.isFinite);
  return known.length === 0 ? NOTHING : format(known);
}

function formatRange(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? formatCount(most) : `${formatCount(least)}–${formatCount(most)}`;
}

/** One evaluation during a run. */
export interface EvaluationPoint {
  /** Seconds since the start of the run. */
  readonly seconds: number;
  /** The step, counted from 1 through all phases. */
  readonly step: number;
  /** The score. */
  readonly value: number;
}

/**
 * The cost of a run up to its first evaluation that is at least as good as the target; null if there is none. Costs are not interpolated
 * between evaluations, so compare only runs that are evaluated equally often.
 * @param evaluations in any order; NaN never reaches the target
 */
export function costToReach(evaluations: readonly EvaluationPoint[], target: number, goal: Goal): Cost | null {
  const isReached = (value: number) => (goal === "maximize" ? value >= target : value <= target);
  const reached = evaluations.filter(({ value }) => isReached(value));
  if (reached.length === 0) return null;
  const { seconds, step } = reached.reduce((first, point) => (point.step < first.step ? point : first));
  return { seconds, step };
}
