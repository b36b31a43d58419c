import { group } from "d3-array";
import { own } from "../common/collections.js";
import type { DoneEvent, ErrorEvent, EvaluationEvent, Phase, RunEvent, StartEvent } from "../files/events.js";
import { type Metrics, metricName, metricRows, metricsOf } from "../files/metrics.js";
import { type RunLog, secondsOfEarlierSessions } from "../files/runLog.js";

/** A run with its events by kind, its number in the report, and a name that no other run has. */
export interface Run {
  readonly index: number;
  readonly name: string;
  readonly isTorn: boolean;
  readonly start: StartEvent | undefined;
  readonly done: DoneEvent | undefined;
  /** Of a run that has ended, in all its sessions. */
  readonly seconds: number | undefined;
  readonly error: ErrorEvent | undefined;
  of<E extends RunEvent["event"]>(event: E): readonly Extract<RunEvent, { event: E }>[];
}

/** One point of a curve. A phase is a curve of its own: losses of search and retraining don't join. */
export interface Point {
  readonly run: string;
  readonly phase: Phase;
  readonly step: number;
  readonly value: number;
}

export function toRuns(logs: readonly RunLog[]): Run[] {
  const names = uniqueNames(logs);
  return logs.map((log, index) => {
    const byKind = group(log.events, ({ event }) => event);
    const of = (<E extends RunEvent["event"]>(event: E) => byKind.get(event) ?? []) as Run["of"];
    // A run that was resumed after a failure and then ended well has not failed.
    const done = of("done").at(-1);
    const error = done ? undefined : of("error").at(-1);
    const seconds = done && secondsOfEarlierSessions(log.events) + done.seconds;
    const facts = { index, name: names[index]!, isTorn: log.isTorn, start: of("start").at(-1) };
    return { ...facts, done, seconds, error, of };
  });
}

/** The names of runs; of those that share one each with as much of its path as sets it apart, and a number where nothing does. */
function uniqueNames(logs: readonly RunLog[]): string[] {
  const names = logs.map((log) =>
    nameAmong(
      log,
      logs.filter(({ name }) => name === log.name),
    ),
  );
  return names.map((name, i) => {
    const count = names.slice(0, i + 1).filter((one) => one === name).length;
    return count === 1 ? name : `${name} (${count})`;
  });
}

/** All namesakes get paths of one length. */
function nameAmong(log: RunLog, namesakes: readonly RunLog[]): string {
  const tail = ({ name, place = [] }: RunLog, depth: number) => (depth === 1 ? name : place.slice(-depth).join("/"));
  const places = new Set(namesakes.map((one) => tail(one, Number.POSITIVE_INFINITY)));
  const longest = Math.max(...namesakes.map(({ place = [] }) => place.length), 1);
  for (let depth = 1; depth < longest; depth++)
    if (new Set(namesakes.map((one) => tail(one, depth))).size === places.size) return tail(log, depth);
  return tail(log, longest);
}

/** An event that stands on the step axis. */
type Placed = Extract<RunEvent, { readonly phase: Phase; readonly step: number }>;

/** A field of a run's events as a curve; what is missing or not finite leaves no point. */
export function pointsOf<T extends Placed>(
  run: Run,
  events: readonly T[],
  read: (event: T) => number | undefined,
): Point[] {
  return events.flatMap((event) => {
    const value = read(event);
    const isPoint = Number.isFinite(value) && Number.isFinite(event.step);
    return isPoint ? [{ run: run.name, phase: event.phase, step: event.step, value: value! }] : [];
  });
}

/** Metrics as the run gave them at its end, else of its last evaluation. */
export const finalMetrics = (run: Run): Metrics => run.done?.metrics ?? metricsSoFar(run);

/** Before its end a run gives the metrics of rows that it held out without their prefix. */
function metricsSoFar(run: Run): Metrics {
  const last = run.of("evaluation").at(-1)?.metrics ?? {};
  if (rowsWatched(run) === WATCHED[0] || Object.keys(last).some(isHeldOut)) return last;
  return Object.fromEntries(Object.entries(last).map(([name, value]) => [metricName(name, "holdout"), value]));
}

/** Whether the run held out some of its training rows and watched those. */
const watchesHeldOut = (run: Run): boolean =>
  run.of("evaluation").some(({ metrics }) => Object.keys(metrics).some(isHeldOut)) || isSet(run, "holdoutFraction");

const isHeldOut = (name: string): boolean => metricRows(name) === "holdout";

/** The rows that a run's evaluations on the way are of. */
export const WATCHED = ["validation rows", "held-out training rows"] as const;
export type WatchedRows = (typeof WATCHED)[number];

export const rowsWatched = (run: Run): WatchedRows => WATCHED[watchesHeldOut(run) ? 1 : 0];

/** One event's metrics by their rows: the last event of a run that held rows out has both. Metrics of test rows are left out. */
export function metricsByRows(run: Run, { metrics }: EvaluationEvent): (readonly [WatchedRows, Metrics])[] {
  const [unnamed, heldOut] = [metricsOf(metrics, "validation"), metricsOf(metrics, "holdout")];
  const isEmpty = Object.keys(heldOut).length === 0;
  const byRows = [[isEmpty ? rowsWatched(run) : WATCHED[0], unnamed] as const, [WATCHED[1], heldOut] as const];
  return byRows.filter(([, own]) => Object.keys(own).length > 0);
}

const setting = (run: Run, key: string) => own(run.start?.settings ?? {}, key);
const isSet = (run: Run, key: string): boolean => (setting(run, key) ?? null) !== null;

/**
 * The evaluations that belong on one curve, one a step. What a run is judged by at its end is no part of it where it is of other
 * rows (some had been held out to watch) or of another state (early stopping has put the best one back).
 */
export function courseOf(run: Run): readonly EvaluationEvent[] {
  const all = run.of("evaluation");
  const last = all.at(-1);
  const isOfEnd = last !== undefined && run.done !== undefined && (stopsEarly(run) || watchesHeldOut(run));
  const told = isOfEnd && all.length > 1 ? all.slice(0, -1) : all;
  const seen = new Set<number>();
  return told.filter(({ step }) => !seen.has(step) && seen.add(step));
}

export const stopsEarly = (run: Run): boolean => isSet(run, "earlyStopping");

/** A metric of the rows that were watched, as a curve. */
export function metricCourse(run: Run, name: string): Point[] {
  const rows = rowsWatched(run);
  return pointsOf(run, courseOf(run), (event) => {
    const found = metricsByRows(run, event).find(([of]) => of === rows);
    return own(found?.[1] ?? {}, name);
  });
}

/** The same where the run watched these rows; nothing where it watched others. */
export const metricCourseOn = (run: Run, name: string, rows: WatchedRows): Point[] =>
  ifWatched(run, rows, () => metricCourse(run, name));

export const ifWatched = (run: Run, rows: WatchedRows, course: () => Point[]): Point[] =>
  rowsWatched(run) === rows ? course() : [];

/** Names of the metrics that any run's course has a figure of, in the order they first came. */
export function metricNames(runs: readonly Run[]): string[] {
  const told = runs.flatMap((run) => courseOf(run).flatMap((event) => metricsByRows(run, event)));
  const names = told.flatMap(([, metrics]) => Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
  return [...new Set(names.map(([name]) => name))];
}

/** The value that early stopping goes back to in a phase: the best one, the first of equals. */
export interface BestPoint extends Point {
  readonly metric: string;
}

/** Where early stopping ended each phase that it judged by evaluations. */
export function bestPoints(run: Run): BestPoint[] {
  const judged = run.start?.judgedBy;
  if (!judged || !stopsEarly(run)) return [];
  const { metric, goal } = judged;
  const points = metricCourse(run, metric).filter(({ phase }) => !(phase === "search" && isSet(run, "searchPatience")));
  const isBetter = (a: Point, b: Point) => (goal === "maximize" ? a.value > b.value : a.value < b.value);
  return phasesIn(points).map((phase) => {
    const own = points.filter((point) => point.phase === phase);
    return { metric, ...own.reduce((best, point) => (isBetter(point, best) ? point : best)) };
  });
}

export const phasesIn = (points: readonly Point[]): Phase[] => [...new Set(points.map(({ phase }) => phase))];
