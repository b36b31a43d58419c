import { group, sum } from "d3-array";
import { formatBytes, formatCount, formatSeconds } from "../../base/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { type RunKey, type RunSettings, resolveRun } from "../../tasks/config/index.js";
import { estimateRun } from "../../training/estimates/index.js";
import { plain, type ResultColumn, type ResultTable, terminalTable } from "../statistics/renderTable.js";
import type { Cell } from "./cells.js";
import { unusedOutput } from "./runFacts.js";

/** The estimated cost of each run of a method on a task. */
export interface ExpectedCost {
  readonly task: string;
  readonly method: string;
  /** Whether the runs try points of a grid. */
  readonly isOfGrid: boolean;
  /** The settings of these grid points that affect the cost; empty if the grid has none. */
  readonly tried: RunSettings;
  readonly runs: number;
  readonly trainedParameters: number;
  readonly steps: number;
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** The estimated cost of a comparison. */
export interface ExpectedCosts {
  readonly pairs: readonly ExpectedCost[];
  /** Wall time of all runs, with as many at the same time as there are jobs. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** Settings that change neither the time or memory of a step nor the number of steps. */
const FREE: ReadonlySet<string> = new Set<RunKey>([
  ...(["learningRate", "upperLearningRate", "retrainLearningRate", "warmupRatio", "schedule"] as const),
  ...(["weightDecay", "upperWeightDecay", "adamBeta1", "adamBeta2", "adamEpsilon", "alpha"] as const),
]);

const thatCost = (point: RunSettings = {}): RunSettings =>
  Object.fromEntries(Object.entries(point).filter(([key]) => !FREE.has(key)));

/**
 * Estimates one run of each method on each task. Grid runs are estimated separately, since they train on fewer rows, with one estimate for
 * all points that cost the same.
 */
export async function expectedCosts(cells: readonly Cell[], jobs: number, context: HubContext): Promise<ExpectedCosts> {
  const groups = group(cells, ({ task, variant, point }) =>
    JSON.stringify([task, variant.name, point && thatCost(point)]),
  );
  const pairs: ExpectedCost[] = [];
  for (const own of groups.values()) {
    const [{ task, variant, settings, point }] = own as [Cell];
    const found = await estimateRun(resolveRun({ ...settings, output: unusedOutput() }), context);
    const { parameters, steps, seconds, peakMemoryBytes } = found;
    pairs.push({
      task,
      method: variant.name,
      isOfGrid: point !== undefined,
      tried: thatCost(point),
      runs: own.length,
      trainedParameters: parameters.trained,
      steps,
      seconds,
      peakMemoryBytes,
    });
  }
  const stages = [pairs.filter(({ isOfGrid }) => isOfGrid), pairs.filter(({ isOfGrid }) => !isOfGrid)];
  const largest = stages.map((stage) => sum(largestFirst(stage).slice(0, jobs)));
  return {
    pairs,
    seconds: sum(stages.map((stage) => secondsWithJobs(stage, jobs))),
    peakMemoryBytes: Math.max(...largest),
  };
}

const largestFirst = (pairs: readonly ExpectedCost[]): number[] =>
  pairs.flatMap(({ runs, peakMemoryBytes }) => Array<number>(runs).fill(peakMemoryBytes)).sort((a, b) => b - a);

/** The wall time of runs with `jobs` at the same time, in order: the next one starts when one ends. */
export function secondsWithJobs(pairs: readonly Pick<ExpectedCost, "runs" | "seconds">[], jobs: number): number {
  const busy = Array<number>(jobs).fill(0);
  for (const seconds of pairs.flatMap(({ runs, seconds }) => Array<number>(runs).fill(seconds)))
    busy[busy.indexOf(Math.min(...busy))]! += seconds;
  return Math.max(...busy);
}

const NOT_CHOSEN =
  "The cost of the reported runs is estimated without the settings that the grid will choose, which may change their time and memory.";

function nameOf({ method, isOfGrid, tried }: ExpectedCost): string {
  const words = Object.entries(tried).map(([key, value]) => ` ${key}=${String(value)}`);
  return isOfGrid ? `${method} (grid${words.join("")})` : method;
}

/** The costs as a table for the terminal. */
export function costsText({ pairs, seconds, peakMemoryBytes }: ExpectedCosts): string {
  const column = (
    title: string,
    textOf: (pair: ExpectedCost) => string,
    align: ResultColumn["align"] = "right",
  ): ResultColumn => ({
    group: "",
    title,
    align,
    cells: pairs.map((pair) => plain(textOf(pair))),
  });
  const table: ResultTable = {
    heading: "Method",
    names: pairs.map(nameOf),
    columns: [
      column("Task", ({ task }) => task, "left"),
      column("Runs", ({ runs }) => formatCount(runs)),
      column("Trained parameters", (pair) => formatCount(pair.trainedParameters)),
      column("Steps", ({ steps }) => formatCount(steps)),
      column("Time of one", (pair) => formatSeconds(pair.seconds)),
      column("Peak memory", (pair) => formatBytes(pair.peakMemoryBytes)),
    ],
    notes: [
      `In total about ${formatSeconds(seconds)}, with up to ${formatBytes(peakMemoryBytes)} of memory at once.`,
      ...(pairs.some(({ tried }) => Object.keys(tried).length > 0) ? [NOT_CHOSEN] : []),
    ],
  };
  return terminalTable(table);
}
