// What runs cost, what a run had cost when it reached a score, and what the grid tried.
import { group, sum } from "d3-array";
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
import { NOTHING, plainColumns, type ResultColumn } from "./renderTable.js";
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
  const column = plainColumns(methods, task.name);
  const ofTask = runs.filter((run) => run.task === task.name);
  const costs = COSTS.map(({ title, read, format }) =>
    column(title, (method) => {
      const own = ofTask.filter((run) => run.method === method);
      // Values that are missing in a run's files are left out.
      const known = own.map(read).filter(Number.isFinite);
      return known.length === 0 ? NOTHING : format(known);
    }),
  );
  const grid = column("Grid", (method) => gridText(gridPointsOf({ tuning }, task.name, method)));
  const parameters = parametersColumn(methods, ofTask, task.name);
  return [
    parameters,
    ...costs,
    ...(tuning.length > 0 ? [grid] : []),
    ...(reached ? reachColumns(reached, task.rows, column) : []),
  ];
}

interface CostColumn {
  readonly title: string;
  readonly read: (run: ComparedRun) => number;
  readonly format: (values: readonly number[]) => string;
}

const COSTS: readonly CostColumn[] = [
  { title: "Time", read: (run) => run.seconds, format: (values) => formatSeconds(mean(values)) },
  { title: "Peak memory", read: (run) => run.peakMemoryBytes, format: (values) => formatBytes(mean(values)) },
];

/** The trained parameters of each method in these runs, and their share of the model's. Heads of several tasks have different sizes. */
export function parametersColumn(methods: readonly string[], runs: readonly ComparedRun[], group = ""): ResultColumn {
  return plainColumns(methods, group)("Trained parameters", (method) => {
    const own = runs.filter((run) => run.method === method);
    if (own.length === 0) return NOTHING;
    const shares = own.flatMap(({ trainedParameters, totalParameters }) =>
      totalParameters === undefined ? [] : 100 * (trainedParameters / totalParameters),
    );
    const counts = formatRange(
      own.map(({ trainedParameters }) => trainedParameters),
      formatCount,
    );
    return shares.length < own.length ? counts : `${counts} (${formatRange(shares, percent)} %)`;
  });
}

/** Three significant digits, as in 0.653, without zeros at the end. */
const percent = (share: number): string => String(Number(share.toPrecision(3)));

function formatRange(values: readonly number[], format: (value: number) => string): string {
  const [least, most] = [format(Math.min(...values)), format(Math.max(...values))];
  return least === most ? most : `${least}–${most}`;
}

function gridText(tried: readonly TriedPoint[]): string {
  if (tried.length === 0) return NOTHING;
  const seconds = sum(tried, ({ seconds }) => seconds ?? 0);
  return `${formatCount(tried.length)} ${tried.length === 1 ? "point" : "points"}, ${formatSeconds(seconds)}`;
}

function reachColumns(
  { target, split, runs }: ScoreReached,
  rows: ScoredRows | undefined,
  column: (title: string, textOf: (method: string) => string) => ResultColumn,
): ResultColumn[] {
  const over = (read: (cost: Cost) => number, format: (value: number) => string) => (method: string) => {
    const evaluated = runs.filter((run) => run.method === method);
    const costs = evaluated.flatMap(({ cost }) => (cost ? read(cost) : []));
    if (evaluated.length === 0) return NOTHING;
    if (costs.length === 0) return "not reached";
    // Without the share, the mean over the runs that reached the score would flatter a method that rarely does.
    const share = costs.length < evaluated.length ? ` (${costs.length} of ${evaluated.length})` : "";
    return `${format(mean(costs))}${share}`;
  };
  const isOther = split !== undefined && rows !== undefined && split !== rows.split;
  const score = `${formatNumber(target)}${isOther ? ` on ${split} rows` : ""}`;
  const inSteps = (steps: number) => formatCount(Math.round(steps));
  const [seconds, steps] = [over((cost) => cost.seconds, formatSeconds), over((cost) => cost.step, inSteps)];
  return [column(`Time to ${score}`, seconds), column(`Steps to ${score}`, steps)];
}

/** One evaluation during a run. */
export interface EvaluationPoint {
  /** Seconds since the start of the run. */
  readonly seconds: number;
  /** The step, counted from 1 through all phases. */
  readonly step: number;
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

/** A point in words: `learningRate=0.001, xi=0`. */
export const pointText = ({ point }: Pick<TriedPoint, "point">): string =>
  Object.entries(point)
    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");

const gridPointsOf = ({ tuning = [] }: Pick<Comparison, "tuning">, task: string, method: string): TriedPoint[] =>
  tuning.filter((point) => point.task === task && point.method === method);

/** Notes on the time of the grid, on grids of unequal size, and on choices among equal scores. */
export function gridNotes({ tuning = [], methods }: Comparison): string[] {
  if (tuning.length === 0) return [];
  const time = "Time is that of the reported runs; that of the grid is the sum over its points.";
  return [time, ...unequalNotes(tuning, methods), ...tieNotes(tuning)];
}

function unequalNotes(tuning: readonly TriedPoint[], methods: readonly string[]): string[] {
  return [...group(tuning, ({ task }) => task)].flatMap(([task, tried]) => {
    const counts = methods.map((name) => tried.filter(({ method }) => method === name).length);
    if (new Set(counts).size < 2) return [];
    const each = methods.map((name, i) => `${name} ${counts[i]}`).join(", ");
    return [
      `On ${task}, the methods have different numbers of grid points (${each}): settings without effect on a method are not tried for it. A method with more points had more to choose from.`,
    ];
  });
}

const tieNotes = (tuning: readonly TriedPoint[]): string[] =>
  tuning.flatMap((one) => {
    const { task, method, score, tied } = one;
    if (tied === undefined || score === null) return [];
    const all = tuning.filter((other) => other.task === task && other.method === method).length;
    return [
      `On ${task}, ${tied} of the ${all} points of ${method}'s grid have its best score, ${formatNumber(score)}, so the scores do not decide among them: ${pointText(one)} was taken, as equal scores go to the point with the most default values, and then to the first.`,
    ];
  });
