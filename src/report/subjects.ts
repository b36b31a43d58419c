import { mean, sampleDeviation } from "../compare/statistics.js";
import { smooth } from "./curves.js";
import type { Point, Run } from "./runs.js";

/** What has a curve of its own in a figure: a run, or all runs of a method. */
export interface Subject {
  /** Its number in the page, by which colour, dashes and marks are chosen. */
  readonly index: number;
  readonly name: string;
  readonly runs: readonly Run[];
}

/** Mean values that lie on a step axis, and how far the runs behind them spread. */
export interface BandPoint extends Point {
  readonly low: number;
  readonly high: number;
}

/** A subject's curve as it is drawn. */
export interface Curve {
  readonly subject: Subject;
  readonly points: readonly Point[];
  /** The values behind a trend; none where `points` are the values themselves. */
  readonly raw: readonly Point[];
  /** One sample deviation to either side of a mean over runs; none for a single run. */
  readonly band: readonly BandPoint[];
}

export const subjectsOf = (runs: readonly Run[]): Subject[] =>
  runs.map((run) => ({ index: run.index, name: run.name, runs: [run] }));

/**
 * A curve a subject that has any points: that of its run, or the mean over its runs of what each of them has, at the steps that all
 * of them have.
 * @param isNoisy smoothed before anything else, with the raw values of a single run behind
 */
export function curvesOf(subjects: readonly Subject[], read: (run: Run) => readonly Point[], isNoisy = false): Curve[] {
  return subjects.flatMap((subject): Curve[] => {
    const each = subject.runs.map(read).filter(({ length }) => length > 0);
    const trends = isNoisy ? each.map(smooth) : each;
    const [only] = trends;
    if (!only) return [];
    if (trends.length > 1) {
      const band = averaged(trends, subject.name);
      return band.length > 0 ? [{ subject, points: band, raw: [], band }] : [];
    }
    return [{ subject, points: only, raw: isNoisy ? each[0]! : [], band: [] }];
  });
}

/** Means at the steps of a phase that all have. */
function averaged(each: readonly (readonly Point[])[], run: string): BandPoint[] {
  const key = ({ phase, step }: Point) => `${phase} ${step}`;
  const others = each.map((points) => new Map(points.map((point) => [key(point), point.value])));
  return each[0]!.flatMap((point) => {
    const values = others.flatMap((known) => known.get(key(point)) ?? []);
    if (values.length < each.length) return [];
    const value = mean(values);
    const spread = sampleDeviation(values) ?? 0;
    return [{ run, phase: point.phase, step: point.step, value, low: value - spread, high: value + spread }];
  });
}

/** The values of one number over the runs of a subject that have it. */
export const valuesOf = (subject: Subject, read: (run: Run) => number | undefined): number[] =>
  subject.runs.map(read).filter((value): value is number => typeof value === "number" && Number.isFinite(value));
