import { formatCount, formatNumber } from "../common/format.js";
import { phasesIn } from "./course.js";
import type { Markup } from "./html.js";
import type { BandPoint, Curve } from "./subjects.js";
import { folded, NOTHING, row, table } from "./table.js";

/** Steps that a table of a curve shows at most. */
const MOST = 20;

/** The numbers of curves at some of their steps. */
export function curvesTable(title: string, curves: readonly Curve[], summary = "The figure’s numbers"): Markup {
  return folded(summary, curveNumbers(title, curves));
}

export function curveNumbers(title: string, curves: readonly Curve[]): Markup {
  const steps = [...new Set(curves.flatMap(({ points }) => points.map(({ step }) => step)))].sort((a, b) => a - b);
  const shown = spread(steps);
  const all = curves.flatMap(({ points }) => points);
  const hasPhases = phasesIn(all).length > 1;
  // Beside a search others are in their one phase.
  const phasesAt = (step: number) => phasesIn(all.filter((point) => point.step === step)).join(", ");
  const known = curves.map(({ points }) => new Map(points.map((point) => [point.step, point])));
  const cell = (point: Partial<BandPoint> | undefined) => {
    if (point?.value === undefined) return NOTHING;
    const half = point.high === undefined ? "" : ` ± ${formatNumber(point.high - point.value)}`;
    return `${formatNumber(point.value)}${half}`;
  };
  const rows = shown.map((step) =>
    row(formatCount(step), [...(hasPhases ? [phasesAt(step)] : []), ...known.map((points) => cell(points.get(step)))]),
  );
  const which = shown.length < steps.length ? ` (${shown.length} of ${formatCount(steps.length)} steps)` : "";
  const names = curves.map(({ subject }) => subject.name);
  return table(`${title}${which}`, ["Step", ...(hasPhases ? ["Phase"] : []), ...names], rows);
}

/** Some of a list, evenly, its ends among them. */
function spread(steps: readonly number[]): number[] {
  if (steps.length <= MOST) return [...steps];
  const places = Array.from({ length: MOST }, (_, i) => Math.round((i * (steps.length - 1)) / (MOST - 1)));
  return places.map((place) => steps[place]!);
}
