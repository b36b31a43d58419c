import { formatBytes, formatCount, formatNumber, formatSeconds } from "../common/format.js";
import type {
  ComparedMetric,
  ComparedRun,
  ComparedTask,
  Comparison,
  Cost,
  ScoredRows,
  ScoreReached,
} from "../files/comparison.js";
import { type Cell, type Column, NOTHING, plain } from "./renderTable.js";
import { mean } from "./statistics.js";

/** Trained parameters, and means over seeds of time, peak memory and, for a task with a score to reach, time and steps to it. */
export function costColumns(
  { methods, runs }: Comparison,
  task: ComparedTask,
  reached: ScoreReached | undefined,
): Column[] {
  const column = (title: string, cellOf: (method: string) => Cell): Column => ({
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
    ...(reached ? reachColumns(reached, task.rows, column) : []),
  ];
}

function reachColumns(
  { target, split, runs }: ScoreReached,
  rows: ScoredRows | undefined,
  column: (title: string, cellOf: (method: string) => Cell) => Column,
): Column[] {
  const over = (read: (cost: Cost) => number, format: (value: number) => string) => (method: string) => {
    const looked = runs.filter((run) => run.method === method);
    const costs = looked.flatMap(({ cost }) => (cost ? read(cost) : []));
    if (looked.length === 0) return plain(NOTHING);
    if (costs.length === 0) return plain("not reached");
    // The mean of those that got there flatters a method that seldom does.
    const share = costs.length < looked.length ? ` (${costs.length} of ${looked.length})` : "";
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

/** Run files are read as they are: what is no number there shows as nothing. */
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
  /** Since the start of the run. */
  readonly seconds: number;
  /** Counted through the whole run, from 1. */
  readonly step: number;
  /** The score. */
  readonly value: number;
}

/**
 * When a run first had a score as good as the target, at the evaluation that saw it: nothing is guessed between two of them, so
 * that runs compare only where they are evaluated as often. Null where it never had. A value that is no number reaches nothing.
 * @param evaluations in any order
 */
export function costToReach(
  evaluations: readonly EvaluationPoint[],
  target: number,
  goal: ComparedMetric["goal"],
): Cost | null {
  const isReached = (value: number) => (goal === "maximize" ? value >= target : value <= target);
  const reached = evaluations.filter(({ value }) => isReached(value));
  if (reached.length === 0) return null;
  const { seconds, step } = reached.reduce((first, point) => (point.step < first.step ? point : first));
  return { seconds, step };
}
