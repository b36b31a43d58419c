// What runs cost, what a run had cost when it reached a score, and what was tried before.
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
import { mean } from "../statistics/summary.js";
import { NOTHING, plainColumns, type ResultColumn } from "./renderTable.js";

/**
 * Trained parameters, means over seeds (time, to which that of all tried points is added, peak memory and, for a task with a target score,
 * time and steps to reach it), and the number of points that were tried.
 */
export function costColumns(
  { methods, runs, tuning = [] }: Comparison,
  task: ComparedTask,
  reached: ScoreReached | undefined,
): ResultColumn[] {
  const column = plainColumns(methods);
  const ofTask = runs.filter((run) => run.task === task.name);
  const costs = COSTS.map(({ title, read, format }) =>
    column(title, (method) => {
      const own = ofTask.filter((run) => run.method === method);
      // Values that are missing in a run's files are left out.
      const known = own.map(read).filter(Number.isFinite);
      if (known.length === 0) return NOTHING;
      return `${format(known)}${title === TIME ? tuningTime(pointsTriedFor({ tuning }, task.name, method)) : ""}`;
    }),
  );
  const tried = column("Points tried", (method) => {
    const count = pointsTriedFor({ tuning }, task.name, method).length;
    return count === 0 ? NOTHING : formatCount(count);
  });
  const parameters = parametersColumn(methods, ofTask);
  return [
    parameters,
    ...costs,
    ...(tuning.length > 0 ? [{ ...tried, isMinor: true }] : []),
    ...(reached ? reachColumns(reached, task.rows, column) : []),
  ];
}

interface CostColumn {
  readonly title: string;
  readonly read: (run: ComparedRun) => number;
  readonly format: (values: readonly number[]) => string;
}

const TIME = "Time";

const COSTS: readonly CostColumn[] = [
  { title: TIME, read: (run) => run.seconds, format: (values) => formatSeconds(mean(values)) },
  { title: "Peak memory", read: (run) => run.peakMemoryBytes, format: (values) => formatBytes(mean(values)) },
];

/** The trained parameters of each method in these runs, and their share of the model's. Heads of several tasks have different sizes. */
export function parametersColumn(methods: readonly string[], runs: readonly ComparedRun[]): ResultColumn {
  return plainColumns(methods)("Trained parameters", (method) => {
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

/** ` + 2m 10s tuning` */
function tuningTime(tried: readonly TriedPoint[]): string {
  return tried.length === 0 ? "" : ` + ${formatSeconds(sum(tried, ({ seconds }) => seconds ?? 0))} tuning`;
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

const pointsTriedFor = ({ tuning = [] }: Pick<Comparison, "tuning">, task: string, method: string): TriedPoint[] =>
  tuning.filter((point) => point.task === task && point.method === method);

/** Notes on the tuning: unequal numbers of points, its seed, and its time. */
export function tuningNotes({ tuning = [], methods, runs }: Comparison): string[] {
  if (tuning.length === 0) return [];
  const time =
    "Time is that of one reported run + that of the tuning, once for all seeds: the sum over all points that were tried for the method.";
  return [...unequalNotes(tuning, methods), ...seedNotes(tuning, runs), time];
}

function unequalNotes(tuning: readonly TriedPoint[], methods: readonly string[]): string[] {
  return [...new Set(tuning.map(({ task }) => task))].flatMap((task) => {
    const counts = methods.map((method) => pointsTriedFor({ tuning }, task, method).length);
    if (new Set(counts).size < 2) return [];
    const each = methods.map((method, i) => `${method} ${counts[i]}`).join(", ");
    return [
      `On ${task}, the tuning tried unequal numbers of points, and more points give more to choose from: ${each}.`,
    ];
  });
}

/** A seed that judges was in the choice, too: its draw of initial values and order suits the chosen point by chance. */
function seedNotes(tuning: readonly TriedPoint[], runs: Comparison["runs"]): string[] {
  const both = [...new Set(tuning.map(({ seed }) => seed))].filter((seed) => runs.some((run) => run.seed === seed));
  if (both.length === 0) return [];
  return [
    `Seed ${both.join(", ")} of the tuning is also one of the reported runs, whose initial values the chosen points suit; --tune-seed takes another one.`,
  ];
}
