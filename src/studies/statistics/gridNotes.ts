/** What a comparison says about the values that its grid tried. */
import { group } from "d3-array";
import { formatNumber } from "../../base/index.js";
import type { Comparison, TriedPoint } from "../../base/records/index.js";

/** A point in words: `learningRate=0.001, xi=0`. */
export const pointText = ({ point }: Pick<TriedPoint, "point">): string =>
  Object.entries(point)
    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");

/** The points of a method on a task. */
export const gridPointsOf = ({ tuning = [] }: Pick<Comparison, "tuning">, task: string, method: string): TriedPoint[] =>
  tuning.filter((point) => point.task === task && point.method === method);

/** Notes on the time of the grid, on grids of unequal size, and on choices among equal scores. */
export function gridNotes({ tuning = [], methods }: Comparison): string[] {
  if (tuning.length === 0) return [];
  const time = "Time is that of the reported runs; that of the grid is the sum over its points.";
  return [time, ...unequalNotes(tuning, methods), ...tieNotes(tuning)];
}

function unequalNotes(tuning: readonly TriedPoint[], methods: readonly string[]): string[] {
  return [...group(tuning, ({ task }) => task)].flatMap(([task, tried]) => {
    const counts = methods.map((name) => tried.filter(({ method }) => method === name).length);
    if (new Set(counts).size < 2) return [];
    const each = methods.map((name, i) => `${name} ${counts[i]}`).join(", ");
    return [
      `On ${task}, the methods have different numbers of grid points (${each}): settings without effect on a method are not tried for it. A method with more points had more to choose from.`,
    ];
  });
}

const tieNotes = (tuning: readonly TriedPoint[]): string[] =>
  tuning.flatMap((one) => {
    const { task, method, score, tied } = one;
    if (tied === undefined || score === null) return [];
    const all = tuning.filter((other) => other.task === task && other.method === method).length;
    return [
      `On ${task}, ${tied} of the ${all} points of ${method}'s grid have its best score, ${formatNumber(score)}, so the scores do not decide among them: ${pointText(one)} was taken, as equal scores go to the point with the most default values, and then to the first.`,
    ];
  });
