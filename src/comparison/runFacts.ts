import { tmpdir } from "node:os";
import { join } from "node:path";
import { METHODS, type RunConfig, resolveRun } from "../config/index.js";
import { subsetsOf } from "../data/index.js";
import { readSplits, taskOf } from "../datasets/index.js";
import { readStepCosts, type StepCosts, writeStepCosts } from "../files/comparisonFolder.js";
import { estimateRun } from "../run/estimates/estimateRun.js";
import type { RunFacts } from "./cells.js";

/** What is known of tasks, with a way to tell it. */
export interface KnownFacts extends RunFacts {
  /** Keeps how many training rows there are, so that they need not be read again for their number. */
  learn(config: RunConfig, rows: number): void;
}

/** What is known of tasks by their rows, which are read once each, and of steps by trying some. */
export function factsIn(output: string): KnownFacts {
  const files = new Map<string, Promise<number>>();
  const keyOf = ({ task, data, train, textColumns, labelColumn }: RunConfig) =>
    JSON.stringify([task, data, train, textColumns, labelColumn]);
  const trained = new Map<string, Promise<number>>();
  const countTrained = async (config: RunConfig): Promise<number> => {
    const rows = await remembered(files, keyOf(config), () => countRows(config));
    return subsetsOf(Array.from({ length: rows }), config).train.length;
  };
  const rowsOf = (config: RunConfig): Promise<number> => {
    const { trainLimit, holdoutFraction } = config;
    return remembered(trained, JSON.stringify([keyOf(config), trainLimit, holdoutFraction]), () =>
      countTrained(config),
    );
  };
  return {
    rowsOf,
    learn: (config, rows) => void files.set(keyOf(config), Promise.resolve(rows)),
    async stepsOf(config) {
      if (config.maxSteps !== undefined) return config.maxSteps;
      const batch = config.batchSize * config.gradientAccumulation;
      return Math.max(1, Math.ceil((config.epochs * (await rowsOf(config))) / batch));
    },
    async secondsOfStep(config) {
      const known = readStepCosts(output);
      const key = JSON.stringify(config.given);
      if (Object.hasOwn(known, key)) return known[key] as StepCosts;
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
  const choice = taskOf(config.task ?? "");
  const splits = await readSplits(choice, { ...config, validation: undefined, test: undefined, testSplit: false });
  return splits.train.examples.length;
}

/** Where an estimate is told to go, which leaves nothing: a folder of runs that are there would be refused. */
export const unusedOutput = (): string => join(tmpdir(), `bidora-nowhere-${process.pid}`);

/** So many steps are said to be wanted where some are tried. */
const TRIED = 50;

async function measured({ method, given }: RunConfig): Promise<StepCosts> {
  // What is looked at on the way, and when it ends, makes no other step of it.
  const { epochs: _epochs, retrainEpochs: _retrain, evalEvery: _often, earlyStopping: _patience, ...rest } = given;
  const typical = async (length: object) =>
    (await estimateRun(resolveRun({ ...rest, ...length, output: unusedOutput() }))).secondsPerStep;
  if (!METHODS[method].isBilevel) {
    const train = await typical({ maxSteps: TRIED });
    return { train, search: train, retrain: train };
  }
  const search = await typical({ maxSteps: TRIED, retrainSteps: 0 });
  const retrain = await typical({ maxSteps: 1, retrainSteps: TRIED });
  return { train: retrain, search, retrain };
}
