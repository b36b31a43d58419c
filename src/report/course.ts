import { own } from "../common/own.js";
import type { EvaluationEvent, Metrics, Phase } from "../train/events.js";
import { type Point, pointsOf, type Run } from "./runs.js";

/** Metrics as the run gave them at its end, else of its last evaluation. */
export const finalMetrics = (run: Run): Metrics => run.done?.metrics ?? run.of("evaluation").at(-1)?.metrics ?? {};

/** Whether the run held out some of its training rows and watched those. */
const watchesHeldOut = (run: Run): boolean =>
  run.of("evaluation").some(({ metrics }) => Object.keys(metrics).some(isHeldOut)) || isSet(run, "holdoutFraction");

/** What stands before a metric's name where a run's end tells of rows that it held out, beside those that it is judged by. */
const HELD_OUT = "holdout_";
const isHeldOut = (name: string): boolean => name.startsWith(HELD_OUT);

/** The rows that a run's evaluations on the way are of. */
export const WATCHED = ["validation rows", "held-out training rows"] as const;
export type WatchedRows = (typeof WATCHED)[number];

export const rowsWatched = (run: Run): WatchedRows => WATCHED[watchesHeldOut(run) ? 1 : 0];

/** One event's metrics by the rows that they are of: the last event of a run that held rows out tells of both. */
export function metricsByRows(run: Run, { metrics }: EvaluationEvent): (readonly [WatchedRows, Metrics])[] {
  const entries = Object.entries(metrics);
  const heldOut = entries
    .filter(([name]) => isHeldOut(name))
    .map(([name, value]) => [name.slice(HELD_OUT.length), value]);
  if (heldOut.length === 0) return [[rowsWatched(run), metrics]];
  const others = entries.filter(([name]) => !isHeldOut(name));
  return [
    ...(others.length > 0 ? [[WATCHED[0], Object.fromEntries(others)] as const] : []),
    [WATCHED[1], Object.fromEntries(heldOut)],
  ];
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
  rowsWatched(run) === rows ? metricCourse(run, name) : [];

/** Names of the metrics that any run's course has a figure of, in the order they first came. */
export function metricNames(runs: readonly Run[]): string[] {
  const told = runs.flatMap((run) => courseOf(run).flatMap((event) => metricsByRows(run, event)));
  const names = told.flatMap(([, metrics]) => Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
  return [...new Set(names.map(([name]) => name))].filter((name) => !name.startsWith("test_"));
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
