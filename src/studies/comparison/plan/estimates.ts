// What is counted, measured and estimated before the first run.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { group, sum } from "d3-array";
import { formatBytes, formatCount, formatSeconds, own } from "../../../base/index.js";
import { readStepCosts, type StepCosts, writeStepCosts } from "../../../base/records/index.js";
import { omit } from "../../../base/settings/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import { type RunConfig, type RunKey, type RunSettings, upperOf } from "../../../tasks/config/index.js";
import { subsetsOf } from "../../../tasks/data/index.js";
import { readSplits, taskOf, withSubsets } from "../../../tasks/datasets/index.js";
import { estimateRun } from "../../../training/estimates/index.js";
import { plainColumns } from "../../tables/renderTable.js";
import { terminalTable } from "../../tables/terminalTable.js";
import type { Cell } from "./cells.js";
import type { RunFacts } from "./runSettings.js";

/** Facts that are looked up once, and can be given in advance. */
export interface KnownFacts extends RunFacts {
  /** Records the number of training rows, and what runs are reported on, so that rows are not read again for it. */
  learn(config: RunConfig, rows: number, reported?: Reported): void;
  /** What a run is reported on, if it was recorded. */
  reported(config: RunConfig): Reported | undefined;
}

/** The number of rows that a task's results are reported on, and its main metric. */
export interface Reported {
  readonly rows: number;
  readonly metric: string;
}

/** Facts about tasks from their rows, which are read once each, and about steps by measuring some. */
export function factsIn(output: string): KnownFacts {
  const files = new Map<string, Promise<number>>();
  const keyOf = ({ task, data, train, textColumns, labelColumn }: RunConfig) =>
    JSON.stringify([task, data, train, textColumns, labelColumn]);
  const reported = new Map<string, Reported>();
  const reportedKeyOf = (config: RunConfig) =>
    JSON.stringify([keyOf(config), config.validation, config.test, config.testSplit]);
  const trained = new Map<string, Promise<number>>();
  const rowsIn = (config: RunConfig) => remembered(files, keyOf(config), () => countRows(config));
  const rowsOf = (config: RunConfig): Promise<number> => {
    const { trainLimit, holdoutFraction, holdoutGroups } = config;
    return remembered(
      trained,
      JSON.stringify([keyOf(config), trainLimit, holdoutFraction, holdoutGroups]),
      async () => {
        // Which rows can be held out depends on their texts.
        if (holdoutFraction !== undefined && holdoutGroups) return (await trainingRows(config, config)).length;
        const rows = await rowsIn(config);
        return subsetsOf(Array.from({ length: rows }), config).train.length;
      },
    );
  };
  return {
    rowsOf,
    upperRowsOf: async (config) =>
      config.upperTrain === undefined
        ? undefined
        : rowsIn({ ...config, train: config.upperTrain, upperTrain: undefined }),
    learn(config, rows, found) {
      files.set(keyOf(config), Promise.resolve(rows));
      if (found !== undefined) reported.set(reportedKeyOf(config), found);
    },
    reported: (config) => reported.get(reportedKeyOf(config)),
    async stepsOf(config) {
      if (config.maxSteps !== undefined) return config.maxSteps;
      const batch = config.batchSize * config.gradientAccumulation;
      return Math.max(1, Math.ceil((config.epochs * (await rowsOf(config))) / batch));
    },
    async secondsOfStep(config) {
      const known = readStepCosts(output);
      const key = JSON.stringify(config.given);
      const before = own(known, key);
      if (before) return before;
      const found = await measured(config);
      writeStepCosts(output, { ...known, [key]: found });
      return found;
    },
  };
}

function remembered<T>(known: Map<string, T>, key: string, find: () => T): T {
  const value = known.get(key) ?? find();
  known.set(key, value);
  return value;
}

async function countRows(config: RunConfig): Promise<number> {
  return (
    await trainingRows(config, { ...config, trainLimit: undefined, holdoutFraction: undefined, holdoutGroups: false })
  ).length;
}

async function trainingRows(config: RunConfig, subsets: Parameters<typeof withSubsets>[1]) {
  const choice = taskOf(config.task ?? "");
  const splits = await readSplits(choice, { ...config, validation: undefined, test: undefined, testSplit: false });
  return withSubsets(splits, subsets, choice.task).train.examples;
}

/** An output folder for estimates, which write nothing: the folder of an existing run would be refused. */
const unusedOutput = (): string => join(tmpdir(), `bidora-nowhere-${process.pid}`);

const MEASURED_STEPS = 50;

async function measured({ method, upper, given }: RunConfig): Promise<StepCosts> {
  // Evaluations and the length do not change the time of a step.
  const unmeasured = ["epochs", "retrainEpochs", "evalEvery", "earlyStopping", "earlyStoppingMetric"] as const;
  const rest = omit(given, ...unmeasured);
  const typical = async (length: object) =>
    (await estimateRun({ flags: { ...rest, ...length, output: unusedOutput() } })).secondsPerStep;
  if (upperOf({ method, upper }) === undefined) {
    const train = await typical({ maxSteps: MEASURED_STEPS });
    return { train, search: train, retrain: train };
  }
  const search = await typical({ maxSteps: MEASURED_STEPS, retrainSteps: 0 });
  const retrain = await typical({ maxSteps: 1, retrainSteps: MEASURED_STEPS });
  return { train: retrain, search, retrain };
}

/** The estimated cost of each run of a method on a task. */
export interface ExpectedCost {
  readonly task: string;
  readonly method: string;
  /** Whether the runs try points for `--tune`, or are those of `--curve`. */
  readonly isOfGrid: boolean;
  readonly isOfCurve: boolean;
  /** The settings of these points that affect the cost; empty if there are none. */
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
  /**
   * By task, the difference of its main metric that the test over seeds and rows finds in 80 % of comparisons with these seeds and rows; null
   * if it is unknown.
   */
  readonly detectable: Readonly<Record<string, number | null>>;
}

/** Settings that change neither the time or memory of a step nor the number of steps. */
const FREE: ReadonlySet<string> = new Set<RunKey>([
  ...(["learningRate", "upperLearningRate", "retrainLearningRate", "warmupRatio", "schedule"] as const),
  ...(["weightDecay", "upperWeightDecay", "adamBeta1", "adamBeta2", "adamEpsilon", "alpha"] as const),
]);

const thatCost = (point: RunSettings = {}): RunSettings =>
  Object.fromEntries(Object.entries(point).filter(([key]) => !FREE.has(key)));

/**
 * Estimates one run of each method on each task. Runs of `--tune`, which train on fewer rows, and of `--curve` are estimated separately,
 * with one estimate for all points that cost the same.
 */
export async function expectedCosts(
  cells: readonly Cell[],
  jobs: number,
  context: HubContext,
): Promise<Omit<ExpectedCosts, "detectable">> {
  const groups = group(cells, ({ task, variant, point, onCurve }) =>
    JSON.stringify([task, variant.name, point && thatCost(point), onCurve && thatCost(onCurve)]),
  );
  const pairs: ExpectedCost[] = [];
  for (const alike of groups.values()) {
    const { task, variant, settings, point, onCurve } = alike[0]!;
    const found = await estimateRun({ flags: { ...settings, output: unusedOutput() } }, context);
    const { parameters, steps, seconds, peakMemoryBytes } = found;
    pairs.push({
      ...{ task, method: variant.name, isOfGrid: point !== undefined, isOfCurve: onCurve !== undefined },
      ...{ tried: thatCost(point ?? onCurve), runs: alike.length },
      ...{ trainedParameters: parameters.trained, steps, seconds, peakMemoryBytes },
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
  "The cost of the reported runs is estimated without the settings that --tune will choose, which may change their time and memory.";

function nameOf({ method, isOfGrid, isOfCurve, tried }: ExpectedCost): string {
  const words = Object.entries(tried).map(([key, value]) => ` ${key}=${String(value)}`);
  const what = isOfGrid ? "tune" : isOfCurve ? "curve" : undefined;
  return what === undefined ? method : `${method} (${what}${words.join("")})`;
}

/** The costs as a table for the terminal. */
export function costsText({ pairs, seconds, peakMemoryBytes }: Omit<ExpectedCosts, "detectable">): string {
  const column = plainColumns(pairs);
  return terminalTable({
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
      ...(pairs.some(({ isOfGrid, tried }) => isOfGrid && Object.keys(tried).length > 0) ? [NOT_CHOSEN] : []),
    ],
  });
}
