// The tables of the curve: each method's scores over its setting, one table for each task and setting.
import { group } from "d3-array";
import { formatCount, formatNumber } from "../../base/index.js";
import type { ComparedTask, Comparison, CurvePoint, CurveSummary } from "../../base/records/index.js";
import { mainHeading } from "../statistics/checkComparison.js";
import { round12 } from "../statistics/summary.js";
import { NOTHING, plainColumns, type ResultCell, type ResultColumn, type ResultTable } from "./renderTable.js";

/** One table for each task and setting; none without a curve. */
export function curveTables({ tasks, curve = [], curves = [] }: Comparison): ResultTable[] {
  if (curve.length === 0) return [];
  const unfinished = curve.filter(({ metrics, diverged }) => metrics === null && !diverged);
  const groups = [...group(curves, ({ task, setting }) => JSON.stringify([task, setting])).values()];
  return groups.map((ofSetting, i) => {
    const task = tasks.find(({ name }) => name === ofSetting[0]!.task)!;
    const table = curveTable(task, ofSetting);
    return i === groups.length - 1 ? { ...table, notes: curveNotes(curves, unfinished.length) } : table;
  });
}

/** The table of one setting on one task, without notes. */
export function curveTable(task: ComparedTask, curves: readonly CurveSummary[]): ResultTable {
  const column = plainColumns(curves);
  return {
    title: `${task.name}: ${mainHeading(task)} over ${curves[0]!.setting}`,
    heading: "Method",
    names: curves.map(({ method }) => method),
    columns: [
      ...valuesIn(curves).map((value) => valueColumn(value, curves)),
      ...COLUMNS.map(({ title, text }) => column(title, text)),
    ],
    notes: [],
  };
}

/** All values of the setting, from the smallest. */
export const valuesIn = (curves: readonly CurveSummary[]): number[] =>
  [...new Set(curves.flatMap(({ points }) => points.map(({ value }) => value)))].sort((a, b) => a - b);

function valueColumn(value: number, curves: readonly CurveSummary[]): ResultColumn {
  const cells = curves.map(({ points, best }): ResultCell => {
    const point = points.find((one) => one.value === value);
    return { text: point ? pointText(point) : NOTHING, best: point !== undefined && best === value };
  });
  return { title: String(value), align: "right", cells };
}

/** `0.912 ± 0.004`, or how many runs diverged. */
function pointText({ mean, deviation, diverged }: CurvePoint): string {
  if (mean === null) return `diverged ${diverged}`;
  return `${formatNumber(mean)}${deviation === null ? "" : ` ± ${formatNumber(deviation)}`}`;
}

const COLUMNS = [
  { title: "Best", text: ({ best }: CurveSummary) => (best === null ? NOTHING : String(best)) },
  { title: "Best in", text: (curve: CurveSummary) => sharesText(curve) },
  {
    title: "Optimism",
    text: ({ optimism }: CurveSummary) => (optimism === null ? NOTHING : formatNumber(round12(optimism))),
  },
  { title: "Seeds", text: ({ seeds }: CurveSummary) => formatCount(seeds.length) },
];

/** The values that are ever the best, and in which share of the resamples: `0.001 87 %, 0.003 13 %`. */
function sharesText({ points }: CurveSummary): string {
  const ever = points.flatMap(({ value, best }) => (best !== null && best > 0 ? [{ value, best }] : []));
  if (ever.length === 0) return NOTHING;
  return ever.map(({ value, best }) => `${value} ${percent(best)}`).join(", ");
}

const percent = (share: number): string =>
  share < 0.01 ? "< 1 %" : share > 0.99 && share < 1 ? "> 99 %" : `${Math.round(100 * share)} %`;

/** What a curve says and does not say. */
export const curveNotes = (curves: readonly CurveSummary[], unfinished: number): string[] => [
  "The curve shows how much the scores depend on the setting. It judges nothing: its best value was found on the rows that the results are reported on, so choose values by --tune.",
  curves.some(({ optimism }) => optimism !== null)
    ? "Best in: the share of 10,000 bootstrap resamples of the seeds in which a value has the best mean. Optimism: by how much the mean at the best value is too good because the same seeds chose it; that the same rows chose it is not in it."
    : "One seed: which value is best may be chance.",
  ...(unfinished > 0
    ? [`Runs of the curve without results: ${formatCount(unfinished)}. Their seeds are left out.`]
    : []),
];
