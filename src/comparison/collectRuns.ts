import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import { stopsByValidation } from "../common/run.js";
import type { ComparedRun, FailedRun, MissingRuns, UnfinishedRun } from "../files/comparison.js";
import { comparedRunsIn, type KnownFailure, plannedRuns, readFailures } from "../files/comparisonFolder.js";
import type { RowCounts, RunEvent } from "../files/events.js";
import { writerOf } from "../files/folderLock.js";
import { type Metrics, readMetrics } from "../files/metrics.js";
import { isFinished } from "../files/runFolder.js";
import { EVENTS, readRunLog, secondsAtEvents, secondsOfEarlierSessions } from "../files/runLog.js";
import type { RequestedResults } from "./spec.js";

/** A finished run of a comparison. */
export interface CollectedRun extends ComparedRun {
  readonly folder: string;
  /** Optimizer steps over all phases, and rows passed through in them. */
  readonly steps: number;
  readonly rows: number;
  /** How many validation and test rows there were, and whether the validation rows decided when the training stopped. */
  readonly scored: Partial<RowCounts> & { readonly stopsByValidation: boolean };
  readonly evaluations: readonly (Metrics & { readonly step: number; readonly seconds: number })[];
}

/** Every finished run in a comparison's folder. */
export async function collectRuns(output: string): Promise<CollectedRun[]> {
  const found: CollectedRun[] = [];
  for (const run of comparedRunsIn(output)) {
    if (!isFinished(run.folder)) continue;
    const { events } = await readRunLog(join(run.folder, EVENTS));
    found.push({ ...run, metrics: readMetrics(run.folder), ...spentIn(events, run.folder) });
  }
  return found;
}

type Spent = Omit<CollectedRun, "task" | "method" | "seed" | "folder" | "metrics">;

/**
 * What a run's events say of its cost, over all its sessions.
 * @throws BidoraError `COMPARISON` where its beginning or its end is gone, which tell it
 */
function spentIn(events: readonly RunEvent[], folder: string): Spent {
  const start = events.find((event) => event.event === "start");
  const done = events.findLast((event) => event.event === "done");
  if (!start || !done)
    throw new BidoraError(
      "COMPARISON",
      `${join(folder, EVENTS)} has lost the ${start ? "end" : "beginning"} of its run, and with it what the run took: remove ${folder} and run it again.`,
    );
  const steps = events.filter((event) => event.event === "step");
  const before = secondsOfEarlierSessions(events);
  return {
    trainedParameters: start.parameters.trained,
    seconds: before + done.seconds,
    peakMemoryBytes: done.peakMemoryBytes,
    steps: steps.length,
    rows: steps.reduce((sum, step) => sum + step.rows, 0),
    scored: { ...start.rows, stopsByValidation: stopsByValidation(start.settings) },
    evaluations: evaluationsIn(events),
  };
}

/**
 * What the model that a run leaves scored on the way: of a search with a retraining after it no look counts, for its directions are
 * thrown away. What was spent by then is counted from the run's first step all the same.
 */
export function evaluationsIn(events: readonly RunEvent[]): Spent["evaluations"] {
  const seconds = secondsAtEvents(events);
  const last = events.findLast((event) => event.event === "step")?.phase;
  return events.flatMap((event, i) =>
    event.event === "evaluation" && event.phase === last
      ? [{ ...event.metrics, step: event.step, seconds: seconds[i] as number }]
      : [],
  );
}

/** How a run stands that has no results. */
type RunState = Pick<UnfinishedRun, "state"> | ({ readonly state: "failed" } & Omit<FailedRun, keyof Place>);

type Place = Pick<FailedRun, "task" | "method" | "seed">;

/**
 * The runs of a comparison that have no results, by how they stand: those that are in its folder, and those that are asked for and have
 * not begun.
 */
export async function missingRuns(output: string, asked: RequestedResults): Promise<MissingRuns> {
  const begun = comparedRunsIn(output);
  const isAsked = ({ task, method, seed }: Place) =>
    asked.tasks.includes(task) && asked.methods.includes(method) && (asked.seeds?.includes(seed) ?? true);
  const planned = plannedRuns(output).filter(
    (place) => isAsked(place) && !begun.some(({ folder }) => folder === place.folder),
  );
  const failures = readFailures(output);
  const [failed, unfinished]: [FailedRun[], UnfinishedRun[]] = [[], []];
  for (const { folder, ...place } of [...begun, ...planned]) {
    if (isFinished(folder)) continue;
    const standing = await runStateOf(output, folder, failures);
    if (standing.state === "failed") {
      const { state: _state, ...why } = standing;
      failed.push({ ...place, ...why });
    } else unfinished.push({ ...place, state: standing.state });
  }
  return { failed, unfinished };
}

/** How a run without results stands: by who writes it, by its log, and by what the comparison saw of its process. */
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

/** Nothing of a run without a log that can be read. */
async function eventsIn(folder: string): Promise<readonly RunEvent[]> {
  if (!existsSync(join(folder, EVENTS))) return [];
  return readRunLog(folder).then(
    ({ events }) => events,
    () => [],
  );
}

/** Of the last session, where it ended in an error. */
function failureIn(events: readonly RunEvent[]): KnownFailure | undefined {
  const last = events.findLast(({ event }) => event === "start" || event === "error");
  if (last?.event !== "error") return undefined;
  const { message, code, step, time } = last;
  return { reason: message.split("\n")[0] as string, code, ...(step !== undefined && { step }), time };
}

/** What the comparison was told says nothing of a run that went on since, in other hands. */
function isLatest({ time }: KnownFailure, events: readonly RunEvent[]): boolean {
  const last = events.at(-1);
  return last === undefined || Date.parse(last.time) <= Date.parse(time);
}

/** Whether a run failed because it diverged, as it would again. */
export const hasDiverged = ({ code }: { readonly code?: string | undefined }): boolean =>
  /NOT_FINITE$/.test(code ?? "");
