// Slopes over the seeds of each method of a comparison.
import { group } from "d3-array";
import type { AnalyzedRun, MethodSlopes, SlopeSpread } from "../../base/records/index.js";
import { linesOf } from "../report/analysisLines.js";
import { studentInterval } from "../statistics/studentInterval.js";
import { mean, sampleDeviation } from "../statistics/summary.js";
import type { RunFolder } from "./analyzedRuns.js";

/** The slopes of the BiDoRA paper's figure (arXiv 2410.09758): RoBERTa-base's query weights. */
const PAPER = { layers: "query", slopes: new Map(Object.entries({ dora: -1.784, bidora: -8.042 })) };

interface FoundSlopes {
  readonly methods: readonly MethodSlopes[];
  /** Notes for the reader. */
  readonly notes: readonly string[];
}

/**
 * The slopes of all layers and of each kind, in each phase, over the runs of one method of a comparison. Runs that the caller named are not
 * in it.
 * @param folders of the runs, in their order
 */
export function methodSlopes(
  folders: readonly Pick<RunFolder, "seedsOf">[],
  runs: readonly AnalyzedRun[],
): FoundSlopes {
  const found = runs.flatMap((run, at) => {
    const { seedsOf } = folders[at]!;
    return seedsOf === undefined ? [] : [{ ...seedsOf, run }];
  });
  const sets = group(found, ({ folder, run }) => JSON.stringify([folder, run.method]));
  const named = [...sets.values()].map((set) => ({ name: set[0]!.name, runs: set.map(({ run }) => run) }));
  return {
    methods: named.flatMap((set) => slopesOf(set.name, set.runs)),
    notes: named.flatMap((set) => unequalSteps(set.name, set.runs)),
  };
}

/** A note for runs that did not save the same steps, as when one was stopped. */
function unequalSteps(name: string, runs: readonly AnalyzedRun[]): string[] {
  const saved = runs.map(({ layers }) => JSON.stringify(layers[0]?.steps.map(({ phase, step }) => [phase, step])));
  if (saved.every((steps) => steps === saved[0])) return [];
  return [
    `The runs of ${name} have different saved steps, on which a slope depends: their mean compares unlike slopes.`,
  ];
}

function slopesOf(name: string, runs: readonly AnalyzedRun[]): MethodSlopes[] {
  const { method } = runs[0]!;
  const lines = group(runs.flatMap(linesOf), ({ layers, phase }) => JSON.stringify([layers, phase]));
  return [...lines.values()].map((same): MethodSlopes => {
    const { layers, phase } = same[0]!;
    const of = (key: "slope" | "within" | "across") => spreadOf(same.map(({ fit }) => fit[key] ?? null));
    const slope = of("slope");
    const paper = layers === PAPER.layers ? PAPER.slopes.get(method) : undefined;
    const isCompared = paper !== undefined && slope !== null;
    return {
      ...{ name, method, phase, layers, slope, within: of("within"), across: of("across") },
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
