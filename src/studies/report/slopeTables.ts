// The slopes of an analysis as plain tables, for the terminal and for the page.
import { formatNumber } from "../../base/index.js";
import type { Analysis, MethodSlopes, SlopeSpread } from "../../base/records/index.js";

/** A table as text; the first column names the rows. */
interface PlainTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Sentences below it. */
  readonly notes: readonly string[];
}

/** A number, or nothing. */
export const numberText = (value: number | null | undefined, nothing: string): string =>
  value === null || value === undefined ? nothing : formatNumber(value);

/**
 * Slopes over the seeds of each method; undefined without a comparison, and in analyses by earlier versions.
 * @param nothing what stands where there is no number
 */
export function methodTable({ methods = [] }: Analysis, nothing: string): PlainTable | undefined {
  if (methods.length === 0) return undefined;
  const isCompared = methods.some(({ paper }) => paper !== undefined);
  const rows = methods.map((slopes) => [
    ...[slopes.name, slopes.layers, slopes.phase ?? nothing, String(slopes.slope?.seeds ?? 0)],
    ...[spreadText(slopes.slope, nothing), intervalText(slopes, nothing)],
    ...[spreadText(slopes.within, nothing), spreadText(slopes.across, nothing)],
    ...(isCompared ? paperTexts(slopes) : []),
  ]);
  const head = ["Method", "Layers", "Phase", "Seeds", "Slope", "95 % interval", "Within layers", "Across layers"];
  return {
    title: "Slopes by method",
    head: isCompared ? [...head, "Paper's slope", "Same sign"] : head,
    rows,
    notes: [
      "Mean ± sample standard deviation over seeds, and Student's interval of the mean. The slope is of the line through all of a run's points, one for each layer and saved step of the phase. It combines the slope within layers (from step to step) and the one across layers (through their mean points), whose signs may differ.",
      ...(isCompared ? ["Paper: query weights of RoBERTa-base (arXiv 2410.09758)."] : []),
    ],
  };
}

const spreadText = (spread: SlopeSpread | null, nothing: string): string =>
  spread === null
    ? nothing
    : `${formatNumber(spread.mean)}${spread.deviation === null ? "" : ` ± ${formatNumber(spread.deviation)}`}`;

const intervalText = ({ slope }: MethodSlopes, nothing: string): string =>
  slope?.interval ? `${formatNumber(slope.interval.low)} to ${formatNumber(slope.interval.high)}` : nothing;

const paperTexts = ({ paper }: MethodSlopes): string[] =>
  paper ? [formatNumber(paper.slope), paper.hasSameSign ? "yes" : "no"] : ["", ""];
