import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStepCosts, type StepCosts, writeStepCosts } from "../../base/records/index.js";
import { omit } from "../../base/settings/index.js";
import { METHODS, type RunConfig, resolveRun } from "../../tasks/config/index.js";
import { subsetsOf } from "../../tasks/data/index.js";
import { readSplits, taskOf } from "../../tasks/datasets/index.js";
import { estimateRun } from "../../training/estimates/index.js";
import type { RunFacts } from "./cells.js";

/** Facts that are looked up once, and can be given in advance. */
export interface KnownFacts extends RunFacts {
  /** Records the number of training rows, so that they are not read again to count them. */
  learn(config: RunConfig, rows: number): void;
}

/** Facts about tasks from their rows, which are read once each, and about steps by measuring some. */
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

/** An output folder for estimates, which write nothing: the folder of an existing run would be refused. */
export const unusedOutput = (): string => join(tmpdir(), `bidora-nowhere-${process.pid}`);

/** The length of the run whose step time is measured. */
const MEASURED_STEPS = 50;

async function measured({ method, given }: RunConfig): Promise<StepCosts> {
  // Evaluations and the length do not change the time of a step.
  const unmeasured = ["epochs", "retrainEpochs", "evalEvery", "earlyStopping", "earlyStoppingMetric"] as const;
  const rest = omit(given, ...unmeasured);
  const typical = async (length: object) =>
    (await estimateRun(resolveRun({ ...rest, ...length, output: unusedOutput() }))).secondsPerStep;
  if (!METHODS[method].isBilevel) {
    const train = await typical({ maxSteps: MEASURED_STEPS });
    return { train, search: train, retrain: train };
  }
  const search = await typical({ maxSteps: MEASURED_STEPS, retrainSteps: 0 });
  const retrain = await typical({ maxSteps: 1, retrainSteps: MEASURED_STEPS });
  return { train: retrain, search, retrain };
}
