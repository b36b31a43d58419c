// Curves of runs and methods: means over seeds, smoothing and thinning.
import { mean, sampleDeviation } from "../../statistics/summary.js";
import type { Point, Run } from "../runs.js";

/** The subject of a curve: a run, or all runs of a method. */
export interface CurveSubject {
  /** Its number in the page, which chooses color, dashes and marks. */
  readonly index: number;
  readonly name: string;
  readonly runs: readonly Run[];
}

/** A mean value at a step, with the spread of the runs behind it. */
export interface BandPoint extends Point {
  readonly low: number;
  readonly high: number;
}

/** The curve of a subject. */
export interface Curve {
  readonly subject: CurveSubject;
  readonly points: readonly Point[];
  /** The values behind a smoothed curve; empty if `points` are the values themselves. */
  readonly raw: readonly Point[];
  /** One sample deviation to either side of a mean over runs; empty for a single run. */
  readonly band: readonly BandPoint[];
}

export const subjectsOf = (runs: readonly Run[]): CurveSubject[] =>
  runs.map((run) => ({ index: run.index, name: run.name, runs: [run] }));

/**
 * One curve for each subject with any points: that of its run, or the mean over its runs at the steps that all runs have.
 * @param isNoisy smooths each run first, and keeps the raw values of a single run
 */
export function curvesOf(
  subjects: readonly CurveSubject[],
  read: (run: Run) => readonly Point[],
  isNoisy = false,
): Curve[] {
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

/** The means at the steps that all runs have. */
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

/** One number of each run of a subject, if the run has it. */
export const valuesOf = (subject: CurveSubject, read: (run: Run) => number | undefined): number[] =>
  subject.runs.map(read).filter((value): value is number => typeof value === "number" && Number.isFinite(value));

/** Points by phase, sorted by step. */
function byPhase(points: readonly Point[]): Point[][] {
  const phases = [...new Set(points.map(({ phase }) => phase))];
  return phases.map((phase) => points.filter((point) => point.phase === phase).sort((a, b) => a.step - b.step));
}

/**
 * Smooths each phase: every point becomes the value of a line fitted to a window of a fifteenth of the phase around it. Unlike a
 * running mean this neither lags nor bends at the ends. Curves of fewer than 20 points stay unchanged.
 */
export function smooth(points: readonly Point[]): Point[] {
  return byPhase(points).flatMap((phase) => {
    if (phase.length < 20) return phase;
    const half = Math.max(5, Math.ceil(phase.length / 30));
    const sums = prefixSums(phase.map(({ value }) => value));
    const moments = prefixSums(phase.map(({ value }, index) => index * value));
    return phase.map((point, index) => {
      const from = Math.max(0, index - half);
      const end = Math.min(phase.length, index + half + 1);
      return { ...point, value: fitted(index, from, end, sums[end]! - sums[from]!, moments[end]! - moments[from]!) };
    });
  });
}

/** The value at `index` of the least-squares line over the indices `from` to `end` (exclusive), from Σ y and Σ x·y. */
function fitted(index: number, from: number, end: number, sum: number, moment: number): number {
  const count = end - from;
  const center = (from + end - 1) / 2;
  const spread = (count * (count * count - 1)) / 12;
  return sum / count + ((moment - center * sum) / spread) * (index - center);
}

function prefixSums(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return sums;
}

/** At most about `limit` points for each phase: the lowest and highest of each stretch, so that spikes stay visible. */
export function downsample(points: readonly Point[], limit = 600): Point[] {
  return byPhase(points).flatMap((phase) => {
    if (phase.length <= limit) return phase;
    const stretch = Math.ceil((2 * phase.length) / limit);
    const kept = new Set([phase[0]!, phase.at(-1)!]);
    for (let from = 0; from < phase.length; from += stretch) {
      const part = phase.slice(from, from + stretch);
      kept.add(part.reduce((low, point) => (point.value < low.value ? point : low)));
      kept.add(part.reduce((high, point) => (point.value > high.value ? point : high)));
    }
    return phase.filter((point) => kept.has(point));
  });
}

/** At most so many evenly spaced entries of a list, including both ends. */
export function evenlyChosen<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  const places = Array.from({ length: most }, (_, i) => Math.round((i * (list.length - 1)) / (most - 1)));
  return places.map((place) => list[place]!);
}
