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
  /** Optimizer steps of all phases, and the rows that they trained on. */
  readonly steps: number;
  readonly rows: number;
  /** The number of validation and test rows, and whether early stopping used the validation rows. */
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

type RunCost = Omit<CollectedRun, "task" | "method" | "seed" | "folder" | "metrics">;

/**
 * The cost of a run over all its sessions, from its events.
 * @throws BidoraError `COMPARISON` if the log has lost its beginning or its end
 */
function spentIn(events: readonly RunEvent[], folder: string): RunCost {
  const start = events.find((event) => event.event === "start");
  const done = events.findLast((event) => event.event === "done");
  if (!start || !done)
    throw new BidoraError(
      "COMPARISON",
      `${join(folder, EVENTS)} has lost the ${start ? "end" : "beginning"} of its run, which holds the run's cost: remove ${folder} and run it again.`,
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
 * The evaluations of the final phase, whose model a run ends with: a search's directions are thrown away when it is followed by a retrain
 * phase. Their cost is still counted from the run's first step.
 */
export function evaluationsIn(events: readonly RunEvent[]): RunCost["evaluations"] {
  const seconds = secondsAtEvents(events);
  const last = events.findLast((event) => event.event === "step")?.phase;
  return events.flatMap((event, i) =>
    event.event === "evaluation" && event.phase === last
      ? [{ ...event.metrics, step: event.step, seconds: seconds[i] as number }]
      : [],
  );
}

/** The state of a run without results. */
type RunState = Pick<UnfinishedRun, "state"> | ({ readonly state: "failed" } & Omit<FailedRun, keyof Place>);

type Place = Pick<FailedRun, "task" | "method" | "seed">;

/**
 * The runs without results, by state: those in the comparison's folder, and requested ones that have not started.
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
async function eventsIn(folder: string): Promise<readonly RunEvent[]> {
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
