import { BidoraError } from "../common/errors.js";
import type { ComparedMetric, ComparedRun, ComparedTask, Comparison } from "../files/comparison.js";

/**
 * Refuses what would be counted twice, or not at all.
 * @throws BidoraError `COMPARISON` for two runs of one task, method and seed, for a metric that is no finite number, for a task
 *   or method that is named twice or not at all, and for a metric that two tasks want to go different ways
 */
export function checkComparison({ tasks, methods, runs, failed = [] }: Comparison): void {
  checkRuns(runs);
  checkGoals(tasks);
  const names = tasks.map(({ name }) => name);
  checkNames("task", names, new Set(runs.map(({ task }) => task)));
  checkNames("method", methods, new Set([...runs, ...failed].map(({ method }) => method)));
}

function checkNames(what: string, named: readonly string[], used: ReadonlySet<string>): void {
  const twice = named.find((name, place) => named.indexOf(name) !== place);
  if (twice !== undefined)
    throw new BidoraError("COMPARISON", `Expected each ${what} once, "${twice}" is named twice.`);
  for (const name of used) {
    if (named.includes(name)) continue;
    throw new BidoraError(
      "COMPARISON",
      `Expected runs of the ${what}s ${named.join(", ")}; one of "${name}" came. Name it too, or leave that run out.`,
    );
  }
}

/** Refuses two runs of one task, method and seed, and metrics that are no finite numbers. @throws BidoraError `COMPARISON` */
export function checkRuns(runs: readonly ComparedRun[]): void {
  const seen = new Set<string>();
  for (const { task, method, seed, metrics } of runs) {
    const key = JSON.stringify([task, method, seed]);
    if (seen.has(key)) {
      throw new BidoraError(
        "COMPARISON",
        `Expected one run of "${method}" with seed ${seed} on "${task}", two came; name the tasks apart, or take one away.`,
      );
    }
    seen.add(key);
    for (const [name, value] of Object.entries(metrics)) {
      if (Number.isFinite(value)) continue;
      throw new BidoraError(
        "COMPARISON",
        `Expected a finite number as "${name}" of "${method}" with seed ${seed} on "${task}", ${value} came; leave that run out, and say so.`,
      );
    }
  }
}

function checkGoals(tasks: readonly ComparedTask[]): void {
  const goals = new Map<string, ComparedMetric["goal"]>();
  for (const { name, goal } of tasks.flatMap(({ metrics }) => metrics)) {
    if ((goals.get(name) ?? goal) !== goal) {
      throw new BidoraError(
        "COMPARISON",
        `Expected "${name}" to be better one way, it is maximized in one task and minimized in another; name the two apart.`,
      );
    }
    goals.set(name, goal);
  }
}
