// The runs of a comparison that have no results.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { own } from "../../base/index.js";
import {
  comparedRunFolder,
  comparedRunsIn,
  EVENTS,
  type FailedRun,
  isFinished,
  type KnownFailure,
  type MissingRuns,
  plannedRuns,
  type RunEvent,
  type RunId,
  readFailures,
  readRunLog,
  type UnfinishedRun,
  writerOf,
} from "../../base/records/index.js";

/** The state of a run without results. */
type RunState = Pick<UnfinishedRun, "state"> | ({ readonly state: "failed" } & Omit<FailedRun, keyof RunId>);

/** What the user asked for by name; undefined for what was left to the defaults. */
export interface AskedRuns {
  readonly tasks?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly seeds?: readonly number[] | undefined;
}

/**
 * The runs without results, by state: every method of a task is expected to have every seed of it. These are the methods and seeds that the
 * task's folder has, that were planned, or that are asked for.
 */
export async function missingRuns(output: string, asked: AskedRuns): Promise<MissingRuns> {
  const isAsked = ({ task, method, seed }: RunId) =>
    isIn(asked.tasks, task) && isIn(asked.methods, method) && isIn(asked.seeds, seed);
  const planned = plannedRuns(output).filter(isAsked);
  const failures = readFailures(output);
  const [failed, unfinished]: [FailedRun[], UnfinishedRun[]] = [[], []];
  for (const run of expectedRuns([...comparedRunsIn(output), ...planned], asked)) {
    const folder = comparedRunFolder(output, run);
    if (isFinished(folder)) continue;
    const isKnown = existsSync(folder) || planned.some((one) => one.folder === folder);
    const standing = await runStateOf(output, folder, failures);
    if (standing.state === "failed") {
      const { state: _state, ...why } = standing;
      failed.push({ ...run, ...why });
    } else unfinished.push({ ...run, state: isKnown ? standing.state : "missing" });
  }
  return { failed, unfinished };
}

const isIn = <T>(named: readonly T[] | undefined, one: T): boolean => named?.includes(one) ?? true;

/** Every method of a task with every seed of it. */
function expectedRuns(found: readonly RunId[], { tasks = [], methods = [], seeds = [] }: AskedRuns): RunId[] {
  return distinct([...found.map(({ task }) => task), ...tasks]).flatMap((task) => {
    const own = found.filter((run) => run.task === task);
    const all = distinct([...own.map(({ seed }) => seed), ...seeds]).sort((a, b) => a - b);
    return distinct([...own.map(({ method }) => method), ...methods]).flatMap((method) =>
      all.map((seed) => ({ task, method, seed })),
    );
  });
}

const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** The state of a run without results, from its lock, its log, and what the comparison recorded about its process. */
export async function runStateOf(output: string, folder: string, failures = readFailures(output)): Promise<RunState> {
  if (writerOf(folder)) return { state: "running" };
  const events = await eventsIn(folder);
  const known = own(failures, relative(output, folder));
  const failure = failureIn(events) ?? (known && isLatest(known, events) ? known : undefined);
  if (failure) {
    const { time: _time, ...why } = failure;
    return { state: "failed", ...why };
  }
  return { state: events.length > 0 ? "stopped" : "waiting" };
}

/** No events if there is no readable log. */
export async function eventsIn(folder: string): Promise<readonly RunEvent[]> {
  if (!existsSync(join(folder, EVENTS))) return [];
  return readRunLog(folder).then(
    ({ events }) => events,
    () => [],
  );
}

/** The error that ended the last session, if one did. */
function failureIn(events: readonly RunEvent[]): KnownFailure | undefined {
  const last = events.findLast(({ event }) => event === "start" || event === "error");
  if (last?.event !== "error") return undefined;
  const { message, code, step, time } = last;
  return { reason: message.split("\n")[0] as string, code, ...(step !== undefined && { step }), time };
}

/** A recorded failure is out of date if the run has been resumed since, by the user for example. */
function isLatest({ time }: KnownFailure, events: readonly RunEvent[]): boolean {
  const last = events.at(-1);
  return last === undefined || Date.parse(last.time) <= Date.parse(time);
}

/** Whether a run failed because it diverged; it would do so again. */
export const hasDiverged = ({ code }: { readonly code?: string | undefined }): boolean =>
  /NOT_FINITE$/.test(code ?? "");
