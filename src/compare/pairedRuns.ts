import { group } from "d3-array";
import { own } from "../common/collections.js";
import type { ComparedMetric, ComparedRun } from "../files/comparison.js";
import { mean } from "./moments.js";

/** Runs that two methods are compared by. */
export interface Scope {
  readonly runs: readonly ComparedRun[];
  /** What a run on a task is told by. */
  readonly metricOf: (task: string) => ComparedMetric;
}

/** Paired scores of two methods, turned so that more is better. */
export interface PairedScores {
  readonly a: readonly number[];
  readonly b: readonly number[];
  /** How many of what is paired have no partner or no score. */
  readonly unmatched: number;
}

interface ScoredRun {
  readonly task: string;
  readonly score: number;
}

/** A pair for each task and seed that both methods have. */
export function pairsOfRuns(scope: Scope, a: string, b: string): PairedScores {
  const pairs = pairedRuns(scope, a, b);
  return {
    a: pairs.map(([{ score }]) => score),
    b: pairs.map(([, { score }]) => score),
    unmatched: runsOf(scope, a, b).length - 2 * pairs.length,
  };
}

/** A pair for each task: the means over the seeds that both methods have there. */
export function pairsOfTasks(scope: Scope, a: string, b: string): PairedScores {
  const byTask = [...group(pairedRuns(scope, a, b), ([{ task }]) => task).values()];
  const means = (side: 0 | 1) => byTask.map((pairs) => mean(pairs.map((pair) => pair[side].score)));
  const tasks = new Set(runsOf(scope, a, b).map(({ task }) => task));
  return { a: means(0), b: means(1), unmatched: tasks.size - byTask.length };
}

const runsOf = ({ runs }: Scope, a: string, b: string): ComparedRun[] =>
  runs.filter(({ method }) => method === a || method === b);

function pairedRuns(scope: Scope, a: string, b: string): (readonly [ScoredRun, ScoredRun])[] {
  const others = scoredRuns(scope, b);
  return [...scoredRuns(scope, a)].flatMap(([key, one]) => {
    const other = others.get(key);
    return other ? [[one, other] as const] : [];
  });
}

/** The runs of one method that have a score, by task and seed. */
function scoredRuns({ runs, metricOf }: Scope, method: string): Map<string, ScoredRun> {
  const found = new Map<string, ScoredRun>();
  for (const run of runs.filter((one) => one.method === method)) {
    const { name, goal } = metricOf(run.task);
    const sign = goal === "minimize" ? -1 : 1;
    const value = own(run.metrics, name);
    if (value === undefined) continue;
    found.set(JSON.stringify([run.task, run.seed]), { task: run.task, score: sign * value });
  }
  return found;
}
