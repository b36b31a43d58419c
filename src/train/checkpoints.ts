import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TrainedTensor } from "../adapters/index.js";
import { BidoraError } from "../errors.js";
import { replaceFolderAtomic, writeFileAtomic } from "../io/atomic.js";
import { readJsonObject } from "../io/json.js";
import { openSafetensors } from "../io/safetensors.js";
import { saveSafetensors } from "../io/safetensorsWriter.js";
import type { Generator, Tensor } from "../torch/index.js";
import type { EarlyStopping, EarlyStoppingState } from "./earlyStopping.js";
import type { JsonValue, Phase } from "./events.js";
import type { ResumePoint } from "./loop.js";
import type { RunHandle, RunObserver } from "./observer.js";
import { areFinite, putBack } from "./trained.js";

const STATE = "training_state.json";
const TENSORS = "training_state.safetensors";

/** What a checkpoint holds beside the tensors: enough to go on with the same bits. */
interface SavedState {
  readonly phase: Phase;
  readonly step: number;
  readonly phaseStep: number;
  readonly isPhaseOver: boolean;
  readonly rule: JsonValue;
  /** Base64. */
  readonly generator: string;
  readonly earlyStopping: EarlyStoppingState | null;
  /** Settings of the run, to be compared on resuming. */
  readonly settings: { readonly [key: string]: JsonValue };
}

export interface CheckpointOptions {
  /** The run's folder, in which `checkpoint-N` appears. */
  readonly folder: string;
  /** Newest checkpoints kept; all when undefined. */
  readonly keep: number | undefined;
  readonly trained: readonly TrainedTensor[];
  readonly generator: Generator;
  readonly earlyStopping: EarlyStopping | undefined;
  readonly settings: { readonly [key: string]: JsonValue };
  /** Writes the adapter or model as it is now. */
  writeModel(folder: string): void | Promise<void>;
}

/** Saves a checkpoint every so many steps. */
export function checkpointer(every: number, options: CheckpointOptions): RunObserver {
  return {
    async on(event, run) {
      if (event.event === "step" && run && event.step % every === 0) await saveCheckpoint(options, run);
    },
  };
}

/**
 * Writes `checkpoint-N`, whole or not at all, and tells of it.
 * @throws BidoraError `STATE_NOT_FINITE` in place of saving numbers that are no use
 */
export async function saveCheckpoint(options: CheckpointOptions, run: RunHandle): Promise<void> {
  const { folder, trained } = options;
  if (!areFinite(trained)) {
    throw new BidoraError(
      "STATE_NOT_FINITE",
      `Step ${run.step}: the trained parameters are not finite any more: take a smaller --learning-rate.`,
    );
  }
  const path = checkpointPath(folder, run.step);
  await replaceFolderAtomic(path, async (fresh) => {
    mkdirSync(fresh, { recursive: true });
    await options.writeModel(fresh);
    writeState(fresh, options, run);
  });
  await run.emit({ event: "checkpoint", phase: run.phase, step: run.step, path });
  removeOld(folder, options.keep);
}

function writeState(
  folder: string,
  { trained, generator, earlyStopping, settings }: CheckpointOptions,
  run: RunHandle,
): void {
  const rule = run.rule.save();
  const best = [...(earlyStopping?.snapshot ?? [])].map(([name, tensor]) => [`best.${name}`, tensor] as const);
  const tensors: (readonly [string, Tensor])[] = [
    ...trained.map(({ name, tensor }) => [name, tensor] as const),
    ...rule.tensors,
    ...best,
  ];
  saveSafetensors(join(folder, TENSORS), tensors);
  const state: SavedState = {
    phase: run.phase,
    step: run.step,
    phaseStep: run.phaseStep,
    isPhaseOver: run.isStopped,
    rule: rule.values,
    generator: Buffer.from(generator.getState()).toString("base64"),
    earlyStopping: earlyStopping?.state ?? null,
    settings,
  };
  writeFileAtomic(join(folder, STATE), `${JSON.stringify(state, undefined, 2)}\n`);
}

export const checkpointPath = (folder: string, step: number): string => join(folder, `checkpoint-${step}`);

/** The newest whole checkpoint in a run's folder, or undefined. */
export function newestCheckpoint(folder: string): string | undefined {
  const [newest] = checkpointSteps(folder);
  return newest === undefined ? undefined : checkpointPath(folder, newest);
}

/**
 * Reads a checkpoint: where the run was, and how to put it back there.
 * @throws BidoraError `CHECKPOINT_SETTINGS` when the run is now set up otherwise
 */
export function openResumePoint(
  path: string,
  options: Omit<CheckpointOptions, "writeModel" | "keep" | "folder">,
): ResumePoint {
  const state = readJsonObject(join(path, STATE)) as unknown as SavedState;
  checkSettings(path, state.settings, options.settings);
  return {
    phase: state.phase,
    step: state.step,
    phaseStep: state.phaseStep,
    isPhaseOver: state.isPhaseOver,
    resume(rule) {
      const tensors = readTensors(join(path, TENSORS));
      putBack(options.trained, tensors);
      rule.restore({ tensors, values: state.rule });
      options.generator.setState(Buffer.from(state.generator, "base64"));
      const best = new Map(
        [...tensors].filter(([name]) => name.startsWith("best.")).map(([name, tensor]) => [name.slice(5), tensor]),
      );
      if (state.earlyStopping)
        options.earlyStopping?.restore({ ...state.earlyStopping, best: state.earlyStopping.best ?? Number.NaN }, best);
    },
  };
}

function readTensors(path: string): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    return new Map([...file.names].map((name) => [name, file.readTensor(name)]));
  } finally {
    file.close();
  }
}

/** Settings that a resumed run may have otherwise: a diverged one goes on with a smaller rate, say. */
const FREE: ReadonlySet<string> = new Set([
  "learningRate",
  "upperLearningRate",
  "retrainLearningRate",
  "maxGradNorm",
  "dtype",
  "saveEvery",
  "keepCheckpoints",
]);

function checkSettings(path: string, then: SavedState["settings"], now: SavedState["settings"]): void {
  for (const key of new Set([...Object.keys(then), ...Object.keys(now)])) {
    const [before, after] = [JSON.stringify(then[key]), JSON.stringify(now[key])];
    if (before === after || FREE.has(key)) continue;
    throw new BidoraError(
      "CHECKPOINT_SETTINGS",
      `${path} was made with ${key} ${before ?? "not set"}, now it is ${after ?? "not set"}: resume with the run's own settings.`,
    );
  }
}

/** Steps of the checkpoints in a folder, newest first. */
function checkpointSteps(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const steps = readdirSync(folder).flatMap((name) => {
    const found = /^checkpoint-(\d+)$/.exec(name);
    return found && existsSync(join(folder, name, STATE)) ? [Number(found[1])] : [];
  });
  return steps.sort((a, b) => b - a);
}

function removeOld(folder: string, keep: number | undefined): void {
  if (keep === undefined) return;
  for (const step of checkpointSteps(folder).slice(keep)) rmSync(checkpointPath(folder, step), { recursive: true });
}
