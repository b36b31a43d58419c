import { own } from "../../common/collections.js";
import { costToReach, type EvaluationPoint } from "../../compare/costColumns.js";
import type { ComparedTask, Comparison, MissingRuns, ScoredRows, ScoreReached } from "../../files/comparison.js";
import { metricRows } from "../../files/metrics.js";
import type { CollectedRun } from "./collect.js";
import { judgingOf } from "./judging.js";
import { variantNamed } from "./variants.js";

/** What a comparison was asked for, as far as what is made of its runs goes. */
export interface AskedFor {
  /** Names, in the order of rows and columns. */
  readonly tasks: readonly string[];
  /** What tasks were asked for by, where that is another name. */
  readonly titles?: Readonly<Record<string, string>>;
  readonly methods: readonly string[];
  /** All that were planned, where none are named. */
  readonly seeds?: readonly number[] | undefined;
  /** A score to be reached. */
  readonly reach: number | undefined;
}

/** Runs as a comparison, with those that have no results, and what they had spent when they first had a score that was named. */
export function gathered(
  runs: readonly CollectedRun[],
  asked: AskedFor,
  missing: MissingRuns = { failed: [], unfinished: [] },
): Comparison & MissingRuns & { readonly reached: readonly ScoreReached[] } {
  const tasks = tasksOf(runs, asked);
  const used = [...runs, ...missing.failed].map(({ method }) => method);
  const { reach } = asked;
  const reached = reach === undefined ? [] : tasks.map((task) => reachedIn(runs, missing, task, reach));
  return { tasks, methods: inOrder(used, asked.methods), runs, ...missing, reached };
}

/** The tasks of runs, each with its metrics. */
function tasksOf(runs: readonly CollectedRun[], { tasks, titles = {} }: AskedFor): ComparedTask[] {
  return inOrder(
    runs.map(({ task }) => task),
    tasks,
  ).map((name) => {
    const title = own(titles, name);
    const task = taskOf(name, runs.filter((run) => run.task === name) as [CollectedRun, ...CollectedRun[]]);
    return { ...task, ...(title !== undefined && { title }) };
  });
}

/** A task with its metrics, and the rows that they are of. */
function taskOf(name: string, runs: readonly [CollectedRun, ...CollectedRun[]]): ComparedTask {
  const { main, others, split, beside } = judgingOf(runs);
  const rowsOf = (split: ScoredRows["split"]): ScoredRows => {
    const count = runs.find(({ scored }) => scored[split] !== undefined)?.scored[split];
    return { split, ...(count !== undefined && { count }) };
  };
  const rows = rowsOf(split);
  const hasValidation = rows.split === "validation" || beside.length > 0;
  const chosen = hasValidation ? runs.filter(({ scored }) => scored.stopsByValidation) : [];
  return {
    name,
    metrics: [main, ...others],
    rows,
    ...(beside.length > 0 && { beside: { rows: rowsOf("validation"), metrics: beside } }),
    ...(chosen.length > 0 && { chosenByRows: [...new Set(chosen.map(({ method }) => method))] }),
  };
}

/** Names that are there, those of the order first. */
function inOrder(names: readonly string[], order: readonly string[]): string[] {
  const there = new Set(names);
  return [...order.filter((name) => there.has(name)), ...[...there].filter((name) => !order.includes(name)).sort()];
}

/**
 * What runs had spent when they first had a score of their task's main metric: on validation rows, for these are looked at on the way,
 * and on test rows only where there are no others. Runs that looked at rows which they held out are left out: those say nothing of the
 * validation rows. A run that failed did not get there, whatever it had on the way: no model was left that has the score.
 */
function reachedIn(
  runs: readonly CollectedRun[],
  { failed }: MissingRuns,
  { name, metrics: [reported], beside }: ComparedTask,
  target: number,
): ScoreReached {
  const main = beside?.metrics[0] ?? reported;
  const split = metricRows(main.name) === "test" ? "test" : "validation";
  const ofTask = runs.filter(({ task }) => task === name);
  const looked = ofTask.filter(({ metrics }) => !Object.keys(metrics).some((name) => metricRows(name) === "holdout"));
  const holdsOut = (method: string) =>
    ofTask.some((run) => run.method === method && !looked.includes(run)) || variantNamed(method)?.stopsEarly === true;
  const lost = failed.filter(({ task, method }) => task === name && !holdsOut(method));
  const costOf = ({ method, seed, evaluations }: CollectedRun) => {
    const points = evaluations.flatMap(({ step, seconds, ...values }): EvaluationPoint[] => {
      const value = own(values, main.name);
      return value === undefined ? [] : [{ step, seconds, value }];
    });
    return { method, seed, cost: costToReach(points, target, main.goal) };
  };
  const unreached = lost.map(({ method, seed }) => ({ method, seed, cost: null }));
  return { task: name, target, split, runs: [...looked.map(costOf), ...unreached] };
}
