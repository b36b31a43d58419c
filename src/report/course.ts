import { own } from "../common/own.js";
import type { EvaluationEvent, Metrics, Phase } from "../train/events.js";
import { type Point, pointsOf, type Run } from "./runs.js";

/** Metrics as the run gave them at its end, else of its last evaluation. */
export const finalMetrics = (run: Run): Metrics => run.done?.metrics ?? run.of("evaluation").at(-1)?.metrics ?? {};

/** Whether the run held out some of its training rows and watched those. */
const watchesHeldOut = (run: Run): boolean =>
  run.of("evaluation").some(({ metrics }) => Object.keys(metrics).some(isHeldOut)) || isSet(run, "holdoutFraction");

const isHeldOut = (name: string): boolean => name.startsWith("holdout_");

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
  const isLast = (event: EvaluationEvent) => Object.keys(event.metrics).some(isHeldOut);
  return pointsOf(run, courseOf(run), (event) => own(event.metrics, isLast(event) ? `holdout_${name}` : name));
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
