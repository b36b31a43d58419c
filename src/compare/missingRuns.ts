import { group } from "d3-array";
import type { Comparison, FailedRun, UnfinishedRun } from "../files/comparison.js";

type WithFailed = Pick<Comparison, "failed">;

export const failedOf = ({ failed = [] }: WithFailed, task: string, method: string): readonly FailedRun[] =>
  failed.filter((run) => run.task === task && run.method === method);

/**
 * The methods none of whose runs failed on these tasks. What is left of the others is no fair sample of their seeds: the runs that went
 * well chose themselves. They are tested with nothing, and marked as best in nothing.
 */
export const methodsWithoutFailure = (
  { methods, failed = [] }: Pick<Comparison, "methods" | "failed">,
  tasks: ReadonlySet<string>,
): string[] => methods.filter((method) => !failed.some((run) => run.method === method && tasks.has(run.task)));

/** What must be said of runs without results, beside the tables. */
export function missingNotes({ runs, failed = [], unfinished = [] }: Comparison): string[] {
  const groups = [...group(failed, ({ task, method }) => JSON.stringify([task, method])).values()];
  const told = groups.map((those) => {
    const [{ task, method, seed, reason }] = those as [FailedRun, ...FailedRun[]];
    const all = those.length + runs.filter((run) => run.task === task && run.method === method).length;
    const seeds = `seed${those.length > 1 ? "s" : ""} ${those.map((run) => run.seed).join(", ")}`;
    return `${method} failed in ${those.length} of ${all} runs on ${task} (${seeds}). Seed ${seed}: ${reason}`;
  });
  return [...told, ...leftOutNote(failed), ...unfinishedNote(unfinished)];
}

function leftOutNote(failed: readonly FailedRun[]): string[] {
  if (failed.length === 0) return [];
  const methods = [...new Set(failed.map(({ method }) => method))].join(", ");
  return [
    `Methods with failed runs (${methods}) are not marked as best and are left out of the tests: the runs that succeeded are a biased sample of their seeds.`,
  ];
}

/** Runs that are named, at most. */
const NAMED = 6;
const STATES: Readonly<Record<UnfinishedRun["state"], string>> = {
  running: "still running",
  stopped: "stopped",
  waiting: "not begun",
};

function unfinishedNote(unfinished: readonly UnfinishedRun[]): string[] {
  if (unfinished.length === 0) return [];
  const named = unfinished
    .slice(0, NAMED)
    .map(({ task, method, seed, state }) => `${method} seed ${seed} on ${task} (${STATES[state]})`);
  const more = unfinished.length - named.length;
  return [`Not finished, and in no figure: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`];
}
