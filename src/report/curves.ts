import type { Point } from "./runs.js";

/** Points by phase, each in order of its steps. */
function byPhase(points: readonly Point[]): Point[][] {
  const phases = [...new Set(points.map(({ phase }) => phase))];
  return phases.map((phase) => points.filter((point) => point.phase === phase).sort((a, b) => a.step - b.step));
}

/**
 * The trend of each phase: at every point the value of the line fitted to a window of a fifteenth of the phase around it,
 * which, unlike a running mean, neither lags nor bends at the ends. Short curves (under 20 points) stay as they are.
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

/** Least squares over the indices `from` to `end` (left out), from Σ y and Σ x·y: the line's value at `index`. */
function fitted(index: number, from: number, end: number, sum: number, moment: number): number {
  const count = end - from;
  const centre = (from + end - 1) / 2;
  const spread = (count * (count * count - 1)) / 12;
  return sum / count + ((moment - centre * sum) / spread) * (index - centre);
}

function prefixSums(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return sums;
}

/** At most about `limit` points a phase: of each stretch its lowest and highest, so that no spike is lost. */
export function thin(points: readonly Point[], limit = 600): Point[] {
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
