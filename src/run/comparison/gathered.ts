import { own } from "../../common/own.js";
import type { ComparedTask, Comparison } from "../../compare/comparison.js";
import type { ScoreReached } from "../../compare/costColumns.js";
import { costToReach, type EvaluationPoint } from "../../compare/costToReach.js";
import type { CollectedRun } from "./collect.js";
import { judgingOf } from "./judging.js";

/** What a comparison was asked for, as far as what is made of its runs goes. */
export interface AskedFor {
  /** Names, in the order of rows and columns. */
  readonly tasks: readonly string[];
  readonly methods: readonly string[];
  /** A score to be reached. */
  readonly reach: number | undefined;
}

/** Runs as a comparison, with what they had spent when they first had a score that was named. */
export function gathered(
  runs: readonly CollectedRun[],
  asked: AskedFor,
): Comparison & { readonly reached: readonly ScoreReached[] } {
  const tasks = tasksOf(runs, asked.tasks);
  const used = runs.map(({ method }) => method);
  const { reach } = asked;
  const reached = reach === undefined ? [] : tasks.map((task) => reachedIn(runs, task, reach));
  return { tasks, methods: inOrder(used, asked.methods), runs, reached };
}

/** The tasks of runs, each with its metrics. @param order names in the order in which they were asked for */
function tasksOf(runs: readonly CollectedRun[], order: readonly string[]): ComparedTask[] {
  return inOrder(
    runs.map(({ task }) => task),
    order,
  ).map((name) => {
    const { main, others } = judgingOf(runs.find(({ task }) => task === name) as CollectedRun);
    return { name, metrics: [main, ...others] };
  });
}

/** Names that are there, those of the order first. */
function inOrder(names: readonly string[], order: readonly string[]): string[] {
  const there = new Set(names);
  return [...order.filter((name) => there.has(name)), ...[...there].filter((name) => !order.includes(name)).sort()];
}

/**
 * What runs had spent when they first had a score of their task's main metric. Runs that looked at rows which they held out are
 * left out: those say nothing of the validation rows.
 */
function reachedIn(
  runs: readonly CollectedRun[],
  { name, metrics: [main] }: ComparedTask,
  target: number,
): ScoreReached {
  const looked = runs.filter(({ task, metrics }) => task === name && !Object.keys(metrics).some(isHeldOut));
  return {
    task: name,
    target,
    runs: looked.map(({ method, seed, evaluations }) => {
      const points = evaluations.flatMap(({ step, seconds, ...values }): EvaluationPoint[] => {
        const value = own(values, main.name);
        return value === undefined ? [] : [{ step, seconds, value }];
      });
      return { method, seed, cost: costToReach(points, target, main.goal) };
    }),
  };
}

const isHeldOut = (name: string): boolean => name.startsWith("holdout_");
