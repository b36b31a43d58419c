import { significance } from "../../compare/significance.js";
import { type LivePart, renderComparison, renderWaiting, withLogs } from "../../report/index.js";
import { collectRuns, inOrder, reachedIn, tasksOf } from "./collect.js";
import type { Spec } from "./spec.js";

/** The report of a comparison that goes on, from the runs that have ended so far; without the tests over rows, which take long. */
export async function comparisonPage(
  { output, tasks, variants, reach, seeds, jobs }: Spec,
  live: LivePart,
): Promise<string> {
  const runs = await collectRuns(output);
  if (runs.length === 0) return renderWaiting(output, live);
  const found = tasksOf(
    runs,
    tasks.map(({ name }) => name),
  );
  const methods = inOrder(
    runs.map(({ method }) => method),
    variants.map(({ name }) => name),
  );
  const log = await withLogs(output, {
    runs,
    tests: significance({ tasks: found, methods, runs }),
    tasks: found,
    methods,
    reached: reach === undefined ? [] : found.map((task) => reachedIn(runs, task, reach)),
    conditions: { jobs, seeds },
  });
  return renderComparison(log, live);
}
