// The average over tasks, as tables of papers have it.
import { own } from "../../base/index.js";
import { type Comparison, type Goal, seedsName, type TaskAverage } from "../../base/records/index.js";
import { methodsWithoutFailure } from "./competing.js";
import { mean, sampleDeviation } from "./summary.js";

/** Which way the average of all main metrics is better; undefined for a single task, and for metrics that can't be averaged. */
export function goalOfAverage({ tasks }: Pick<Comparison, "tasks">): Goal | undefined {
  const mains = tasks.map(({ metrics: [main] }) => main);
  const [first, ...others] = mains;
  if (!first || others.length === 0) return undefined;
  // Losses, errors and perplexities have no common unit.
  const isOne = others.every(({ name }) => name === first.name);
  return isOne || mains.every(({ goal }) => goal === "maximize") ? first.goal : undefined;
}

/**
 * The mean over tasks of each task's main metric (macro average), and its deviation over seeds: of the mean over tasks with each seed (and
 * data seed) that all tasks have. Methods without some of their runs, or without runs on a task, have none.
 */
export function averagesOf(comparison: Comparison): TaskAverage[] {
  if (goalOfAverage(comparison) === undefined) return [];
  const complete = methodsWithoutFailure(comparison, new Set(comparison.tasks.map(({ name }) => name)));
  return complete.flatMap((method) => {
    const [first = new Map<string, number>(), ...others] = scoresBySeed(comparison, method);
    const seeds = [...first.keys()].filter((seed) => others.every((scores) => scores.has(seed)));
    if (seeds.length === 0) return [];
    const averages = seeds.map((seed) => mean([first, ...others].map((scores) => scores.get(seed)!)));
    return { method, mean: mean(averages), deviation: sampleDeviation(averages), n: seeds.length };
  });
}

/** A method's main scores on each task, by seed. */
const scoresBySeed = ({ tasks, runs }: Comparison, method: string): Map<string, number>[] =>
  tasks.map(({ name, metrics: [main] }) => {
    const ofTask = runs.filter((run) => run.task === name && run.method === method);
    return new Map(
      ofTask.flatMap((run) => {
        const score = own(run.metrics, main.name);
        return score === undefined ? [] : [[seedsName(run), score] as const];
      }),
    );
  });
