// Slopes over the seeds of each method of a comparison.
import { group } from "d3-array";
import type { AnalyzedRun, LineFit, MethodSlopes, SlopeSpread } from "../../base/records/index.js";
import { studentInterval } from "../statistics/studentInterval.js";
import { mean, sampleDeviation } from "../statistics/summary.js";
import type { RunFolder } from "./analyzedRuns.js";

/** The slopes of the BiDoRA paper's figure (arXiv 2410.09758): RoBERTa-base's query weights. */
const PAPER = { layers: "query", slopes: new Map(Object.entries({ dora: -1.784, bidora: -8.042 })) };

/**
 * The slopes of all layers and of each kind, over the runs of one method of a comparison that have the same compared phase. Runs that the
 * caller named are not in it.
 * @param folders of the runs, in their order
 */
export function methodSlopes(
  folders: readonly Pick<RunFolder, "seedsOf">[],
  runs: readonly AnalyzedRun[],
): MethodSlopes[] {
  const found = runs.flatMap((run, at) => {
    const { seedsOf } = folders[at]!;
    return seedsOf === undefined ? [] : [{ ...seedsOf, run }];
  });
  const sets = group(found, ({ folder, run }) => JSON.stringify([folder, run.method, run.fits.phase]));
  return [...sets.values()].flatMap((set) =>
    slopesOf(
      set[0]!.name,
      set.map(({ run }) => run),
    ),
  );
}

function slopesOf(name: string, runs: readonly AnalyzedRun[]): MethodSlopes[] {
  const { method, fits } = runs[0]!;
  const kinds = [...new Set(runs.flatMap((run) => Object.keys(run.fits.kinds)))];
  return ["all", ...kinds].map((layers): MethodSlopes => {
    const lines = runs.flatMap((run) => (layers === "all" ? run.fits.all : (run.fits.kinds[layers] ?? [])));
    const of = (key: "slope" | "within" | "across") => spreadOf(lines.map((line: LineFit) => line[key] ?? null));
    const slope = of("slope");
    const paper = layers === PAPER.layers ? PAPER.slopes.get(method) : undefined;
    const isCompared = paper !== undefined && slope !== null;
    return {
      ...{ name, method, phase: fits.phase, layers, slope, within: of("within"), across: of("across") },
      ...(isCompared && { paper: { slope: paper, hasSameSign: Math.sign(slope.mean) === Math.sign(paper) } }),
    };
  });
}

function spreadOf(slopes: readonly (number | null)[]): SlopeSpread | null {
  const values = slopes.filter((slope) => slope !== null);
  if (values.length === 0) return null;
  const [deviation, interval] = [sampleDeviation(values), studentInterval(values)];
  return { seeds: values.length, mean: mean(values), deviation, interval };
}
