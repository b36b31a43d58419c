import { join } from "node:path";
import { BidoraError, own } from "../../base/index.js";
import {
  BEST,
  checkpointName,
  checkpointSteps,
  type Provenance,
  readState,
  type SavedState,
  STATE,
  TENSORS,
  verifyChecksums,
} from "../../base/records/index.js";
import type { Option } from "../../base/settings/index.js";
import { openSafetensors, type SafetensorsFile, torchDtype } from "../../formats/safetensors/index.js";
import type { TrainedTensor, TrainingHooks } from "../../models/adapters/index.js";
import { type RunConfig, type RunKey, runOptions, upperOptimizer } from "../../tasks/config/index.js";
import { Generator, sameShape, type Tensor } from "../../torch/index.js";
import type { PhasePlan, ResumePoint } from "../loop/loop.js";
import { savedForms } from "../steps/level.js";
import { hookMemory, restoreSnapshot } from "../steps/trainedTensors.js";
import { checkProvenance } from "./checkProvenance.js";
import type { CheckpointOptions } from "./checkpoints.js";

/** A run that resumes from a checkpoint. */
export interface ResumingRun {
  readonly folder: string;
  readonly config: RunConfig;
  /** The settings that a checkpoint saves. */
  readonly settings: SavedState["settings"];
  readonly madeFrom: Provenance;
  readonly plans: readonly Pick<PhasePlan, "phase" | "steps">[];
  readonly trained: readonly TrainedTensor[];
  /** Those of an upper level, which retraining leaves alone. */
  readonly upper?: readonly TrainedTensor[] | undefined;
  readonly hooks?: TrainingHooks | undefined;
  /** The number of processes that train together. */
  readonly processes?: number;
}

/** An intact checkpoint that fits the run. */
export interface FoundCheckpoint {
  readonly path: string;
  readonly state: SavedState;
  /** Newer checkpoints that are damaged, with the reason. */
  readonly damaged: readonly string[];
}

/**
 * Finds the newest intact checkpoint of the run.
 * @throws BidoraError `CHECKPOINT_DAMAGED` if there is none, `CHECKPOINT_SETTINGS` if the run's settings have changed,
 *   `CHECKPOINT_PROVENANCE` if its model or data have
 */
export async function findCheckpoint(run: ResumingRun): Promise<FoundCheckpoint> {
  const damaged: string[] = [];
  for (const step of checkpointSteps(run.folder)) {
    const path = join(run.folder, checkpointName(step));
    try {
      return { path, state: await openCheckpoint(path, run), damaged };
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      damaged.push(`${path} is damaged (${error.message})`);
    }
  }
  throw new BidoraError(
    "CHECKPOINT_DAMAGED",
    `${damaged.join("; ")}: restore an intact checkpoint, or start a new run in another --output.`,
  );
}

class Damage extends Error {}

async function openCheckpoint(path: string, run: ResumingRun): Promise<SavedState> {
  const state = await damageIfThrown(async () => {
    await verifyChecksums(path, [STATE, TENSORS]);
    return readState(path);
  });
  checkSettings(path, state, run);
  checkProvenance(path, state.madeFrom, run.madeFrom);
  await damageIfThrown(() => {
    checkPosition(state, run.plans);
    checkGenerator(state);
    checkTensors(path, state, run);
  });
  return state;
}

async function damageIfThrown<T>(body: () => T | Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (cause) {
    throw new Damage((cause as Error).message.replace(/\.$/, ""), { cause });
  }
}

/** All steps of earlier phases must be done, unless early stopping ended a phase. */
function checkPosition(state: SavedState, plans: ResumingRun["plans"]): void {
  const at = plans.findIndex(({ phase }) => phase === state.phase);
  const plan = plans[at];
  if (!plan) throw new Error(`the run has no phase ${state.phase}`);
  if (state.phaseStep > plan.steps) throw new Error(`${state.phase} has ${plan.steps} steps, not ${state.phaseStep}`);
  const before = state.step - state.phaseStep;
  const planned = plans.slice(0, at).reduce((sum, { steps }) => sum + steps, 0);
  if (before > planned || (before < planned && !state.earlyStopping))
    throw new Error(`${before} steps lie before ${state.phase}, not ${planned}`);
}

function checkGenerator({ generator }: SavedState): void {
  try {
    new Generator().setState(Buffer.from(generator, "base64"));
  } catch (cause) {
    throw new Error(`${STATE}: generator: not a state of libtorch's random generator`, { cause });
  }
}

/** Every tensor to be restored must be there, with its shape and dtype. */
function checkTensors(path: string, state: SavedState, { trained, upper, config, hooks }: ResumingRun): void {
  const file = openSafetensors(join(path, TENSORS));
  try {
    for (const member of trained) {
      const { name, tensor } = member;
      const isUpper = upper?.includes(member) === true;
      const isMoved = state.phase !== "retrain" || !isUpper;
      const optimizer = isUpper ? upperOptimizer(config) : config.optimizer;
      checkTensor(file, name, tensor);
      if (state.earlyStopping?.phase) checkTensor(file, BEST + name, tensor);
      for (const [saved, form] of isMoved ? savedForms(member, { ...config, optimizer }) : [])
        checkTensor(file, saved, form);
    }
    for (const [name, tensor] of hookMemory(hooks)) checkTensor(file, name, tensor);
  } finally {
    file.close();
  }
}

function checkTensor(file: SafetensorsFile, name: string, { shape, dtype }: Pick<Tensor, "shape" | "dtype">): void {
  if (!file.has(name)) throw new Error(`${TENSORS} has no ${name}`);
  const info = file.info(name);
  if (torchDtype(info.dtype) === dtype && sameShape(info.shape, shape)) return;
  throw new Error(`${TENSORS}: ${name} is ${info.dtype} [${info.shape}], not ${dtype} [${shape}]`);
}

/** Settings that may differ in a resumed run: after a divergence, a lower learning rate helps. docs/fine-tuning.md lists them. */
export const FREE: ReadonlySet<string> = new Set<RunKey>([
  "learningRate",
  "upperLearningRate",
  "retrainLearningRate",
  "maxGradNorm",
  "evalOnStart",
  "saveEvery",
  "keepCheckpoints",
  "onNonfinite",
  "maxSkipped",
]);

/** The settings with the batch size of all processes together, which is what the order of rows depends on. */
function wholeBatch(settings: SavedState["settings"], processes = 1): SavedState["settings"] {
  const { batchSize } = settings;
  if (processes === 1 || typeof batchSize !== "number") return settings;
  return { ...settings, batchSize: batchSize * processes };
}

function checkSettings(path: string, state: SavedState, run: ResumingRun): void {
  const [then, now] = [wholeBatch(state.settings, state.processes), wholeBatch(run.settings, run.processes)];
  const refused = settingDifferences(then, now).find(({ key }) => !FREE.has(key));
  if (!refused) return;
  const isOfRanks = refused.key === "batchSize" && Math.max(state.processes ?? 1, run.processes ?? 1) > 1;
  throw new BidoraError(
    "CHECKPOINT_SETTINGS",
    `${madeWith(path, refused)}${isOfRanks ? " (of all ranks together)" : ""}: resume with the run's own settings, or start a new run in another --output.`,
  );
}

/** A setting that a run was resumed with, and another value that it had before, in words. */
interface SettingDifference {
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

export const madeWith = (path: string, { key, before, after }: SettingDifference): string =>
  `${path} was made with ${key} ${before}, now it is ${after}`;

/** All settings that differ, including those that may. */
export function settingDifferences(then: SavedState["settings"], now: SavedState["settings"]): SettingDifference[] {
  const shown = (value: unknown): string => JSON.stringify(value) ?? "not set";
  return (
    Object.keys({ ...then, ...now })
      .map((key) => ({ key, before: shown(asCalledNow(key, then[key]) ?? defaultOf(key)), after: shown(now[key]) }))
      // Runs of versions without the setting did not record which label is positive.
      .filter(({ key, before, after }) => before !== after && (key !== "positiveLabel" || key in then))
  );
}

/** A value that an earlier version may have saved by another word. Texts that are no choice stay as they are: a pattern is not a list. */
function asCalledNow(key: string, value: unknown): unknown {
  const option = own<Option>(runOptions, key);
  return typeof value === "string" && option?.words && !option.words.includes(value) ? option.fromText(value) : value;
}

/** The default, which runs of versions without the setting used. */
const defaultOf = (key: string): unknown => own<Option>(runOptions, key)?.default;

/** The position of the run, and a function that restores its state. */
export function resumePoint(
  { path, state }: FoundCheckpoint,
  options: Pick<CheckpointOptions, "trained" | "generator" | "earlyStopping" | "nonFinite">,
): ResumePoint {
  return {
    phase: state.phase,
    step: state.step,
    phaseStep: state.phaseStep,
    isPhaseOver: state.isPhaseOver,
    resume(rule) {
      const tensors = readTensors(join(path, TENSORS));
      restoreSnapshot(options.trained, tensors);
      rule.restore({ tensors, values: state.rule });
      options.nonFinite?.restore(state);
      options.generator.setState(Buffer.from(state.generator, "base64"));
      if (state.earlyStopping) restoreEarlyStopping(options.earlyStopping, state.earlyStopping, tensors);
    },
  };
}

function restoreEarlyStopping(
  earlyStopping: CheckpointOptions["earlyStopping"],
  { phase, best, failures }: NonNullable<SavedState["earlyStopping"]>,
  tensors: ReadonlyMap<string, Tensor>,
): void {
  const kept = [...tensors].filter(([name]) => name.startsWith(BEST));
  const snapshot = new Map(kept.map(([name, tensor]) => [name.slice(BEST.length), tensor]));
  earlyStopping?.restore({ phase, best: best ?? Number.NaN, failures }, snapshot);
}

function readTensors(path: string): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    return new Map([...file.names].map((name) => [name, file.readTensor(name)]));
  } finally {
    file.close();
  }
}
