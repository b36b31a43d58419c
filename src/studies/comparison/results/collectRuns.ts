// The runs in a comparison's folder: the finished ones, and why others have no results.

import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { sum } from "d3-array";
import { BidoraError, own, stopsByValidation } from "../../../base/index.js";
import {
  type BaselineScore,
  type ComparedRun,
  comparedRunFolder,
  comparedRunsIn,
  EVENTS,
  type FailedRun,
  type Findings,
  isFinished,
  type KnownFailure,
  type Metrics,
  type MissingRuns,
  plannedRuns,
  type RowCounts,
  type RunEvent,
  type RunId,
  readFailures,
  readFindings,
  readMetrics,
  readPredictions,
  readRunLog,
  type StartEvent,
  secondsAtEvents,
  secondsOfEarlierSessions,
  type UnfinishedRun,
  writerOf,
} from "../../../base/records/index.js";
import { constantRows } from "../../../training/run/index.js";
import { conditionsOf } from "../plan/conditions.js";
import { type AskedRuns, crossed } from "../spec/spec.js";

/** A finished run of a comparison. */
export interface CollectedRun extends ComparedRun {
  readonly folder: string;
  /** Optimizer steps of all phases, and the rows that they trained on. */
  readonly steps: number;
  readonly rows: number;
  /** The number of validation and test rows, and whether early stopping used the validation rows. */
  readonly scored: Partial<RowCounts> & { readonly stopsByValidation: boolean };
  /** The settings of its last session. */
  readonly start?: Pick<StartEvent, "settings" | "sources" | "idle">;
  readonly evaluations: readonly (Metrics & { readonly step: number; readonly seconds: number })[];
  /** The metrics of the baselines, as far as it recorded them. */
  readonly baselines?: Readonly<Partial<Record<BaselineScore["baseline"], Metrics>>>;
}

export async function collectRuns(output: string): Promise<CollectedRun[]> {
  const found: CollectedRun[] = [];
  for (const run of comparedRunsIn(output)) {
    if (!isFinished(run.folder)) continue;
    const { events } = await readRunLog(join(run.folder, EVENTS));
    const spent = spentIn(events, run.folder);
    found.push({ ...run, metrics: readMetrics(run.folder), ...(await findingsOf(run.folder)), ...spent });
  }
  return found;
}

/** Earlier versions did not write whether predictions are constant. */
async function findingsOf(folder: string): Promise<Findings> {
  const written = readFindings(folder);
  if (written.constant || written.constantLabels) return written;
  const splits = [await readPredictions(folder, "validation"), await readPredictions(folder, "test")];
  return { ...constantRows(splits.flatMap((found) => (found ? [[found.split, found.rows]] : []))), ...written };
}

type RunCost = Omit<CollectedRun, keyof RunId | "folder" | "metrics" | keyof Findings>;

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
  const last = events.findLast((event): event is StartEvent => event.event === "start") ?? start;
  return {
    trainedParameters: start.parameters.trained,
    totalParameters: start.parameters.total,
    seconds: secondsOfEarlierSessions(events) + done.seconds,
    peakMemoryBytes: done.peakMemoryBytes,
    steps: steps.length,
    rows: sum(steps, ({ rows }) => rows),
    scored: { ...start.rows, stopsByValidation: stopsByValidation(start.settings) },
    evaluations: evaluationsIn(events),
    baselines: { ...(done.majority && { majority: done.majority }), ...startIn(events) },
    conditions: conditionsOf(last, events),
    start: last,
  };
}

/** The evaluation before the first step. A run that was begun again after a kill has another one of the same state. */
function startIn(events: readonly RunEvent[]): { readonly start?: Metrics } {
  const start = events.findLast((event) => event.event === "evaluation" && event.step === 0);
  return start?.event === "evaluation" ? { start: start.metrics } : {};
}

/**
 * The evaluations of the final phase, whose model a run ends with: a search's directions are thrown away when it is followed by a retrain
 * phase. Their cost is still counted from the run's first step. That of the start, which took no step, is not among them.
 */
export function evaluationsIn(events: readonly RunEvent[]): RunCost["evaluations"] {
  const seconds = secondsAtEvents(events);
  const last = events.findLast((event) => event.event === "step")?.phase;
  return events.flatMap((event, i) =>
    event.event === "evaluation" && event.phase === last && event.step > 0
      ? [{ ...event.metrics, step: event.step, seconds: seconds[i] as number }]
      : [],
  );
}

type RunState = Pick<UnfinishedRun, "state"> | ({ readonly state: "failed" } & Omit<FailedRun, keyof RunId>);

/**
 * The runs without results, by state: every method of a task is expected to have every seed of it. These are the methods and seeds that the
 * task's folder has, that were planned, or that are asked for.
 */
export async function missingRuns(output: string, asked: AskedRuns): Promise<MissingRuns> {
  const isAsked = ({ task, method, seed, dataSeed }: RunId) =>
    isIn(asked.tasks, task) &&
    isIn(asked.methods, method) &&
    isIn(asked.seeds, seed) &&
    (dataSeed === undefined || isIn(asked.dataSeeds, dataSeed));
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

/** Every method of a task with every seed of it, and with each of these every data seed, if there are some. */
function expectedRuns(found: readonly RunId[], asked: AskedRuns): RunId[] {
  const { tasks = [], methods = [], seeds = [], dataSeeds = [] } = asked;
  return distinct([...found.map(({ task }) => task), ...tasks]).flatMap((task) => {
    const own = found.filter((run) => run.task === task);
    const all = sorted([...own.map(({ seed }) => seed), ...seeds]);
    const data = sorted([...own.flatMap(({ dataSeed }) => dataSeed ?? []), ...dataSeeds]);
    return distinct([...own.map(({ method }) => method), ...methods]).flatMap((method) =>
      crossed(all, data).map((seeds) => ({ task, method, ...seeds })),
    );
  });
}

const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)];

const sorted = (seeds: readonly number[]): number[] => distinct(seeds).sort((a, b) => a - b);

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
  return { reason: message.split("\n")[0]!, code, ...(step !== undefined && { step }), time };
}

/** A recorded failure is out of date if the run has been resumed since, by the user for example. */
function isLatest({ time }: KnownFailure, events: readonly RunEvent[]): boolean {
  const last = events.at(-1);
  return last === undefined || Date.parse(last.time) <= Date.parse(time);
}

/** Whether a run failed because it diverged; it would do so again. */
export const hasDiverged = ({ code }: { readonly code?: string | undefined }): boolean =>
  /NOT_FINITE$/.test(code ?? "");
