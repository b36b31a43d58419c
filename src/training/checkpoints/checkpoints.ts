import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../../base/index.js";
import {
  BEST,
  checkpointPath,
  checkpointSteps,
  type JsonValue,
  type Provenance,
  replaceFolderAtomic,
  type SavedState,
  STATE,
  TENSORS,
  writeChecksums,
  writeFileAtomic,
} from "../../base/records/index.js";
import { saveSafetensors } from "../../formats/safetensors/index.js";
import type { TrainedTensor } from "../../models/adapters/index.js";
import { engineFacts, type Generator, type Tensor } from "../../torch/index.js";
import { arithmetic } from "../../torch/operators/index.js";
import type { EarlyStopping } from "../loop/earlyStopping.js";
import type { NonFiniteBatches } from "../loop/loop.js";
import type { RunHandle, RunObserver } from "../loop/observer.js";
import { checkTrainedTensors } from "../steps/trainedTensors.js";

export interface CheckpointOptions {
  /** The run's folder, in which `checkpoint-N` appears. */
  readonly folder: string;
  /** The number of newest checkpoints to keep; all by default. */
  readonly keep: number | undefined;
  readonly trained: readonly TrainedTensor[];
  readonly generator: Generator;
  /** The device of the model. */
  readonly device: string;
  /** The number of processes that train together. */
  readonly processes?: number;
  readonly earlyStopping: EarlyStopping | undefined;
  readonly nonFinite?: NonFiniteBatches;
  readonly settings: { readonly [key: string]: JsonValue };
  /** The model and data that the run is made from. */
  provenance(): Promise<Provenance>;
  /** Writes the adapter or model as it is now. */
  writeModel(folder: string): void | Promise<void>;
}

/** Saves a checkpoint every `every` steps, and when one is requested. */
export function checkpointer(
  every: number | undefined,
  request: CheckpointRequest | undefined,
  options: CheckpointOptions,
): RunObserver {
  return {
    async on(event, run) {
      if (event.event !== "step" || !run) return;
      const isAsked = request?.take() === true;
      if (isAsked || (every !== undefined && event.step % every === 0)) await saveCheckpoint(options, run);
    },
  };
}

/**
 * Writes `checkpoint-N` atomically and emits a `checkpoint` event.
 * @throws BidoraError `STATE_NOT_FINITE` instead of saving numbers that are not finite
 */
export async function saveCheckpoint(options: CheckpointOptions, run: RunHandle): Promise<void> {
  const { folder, trained } = options;
  checkTrainedTensors(trained, run.step);
  const path = checkpointPath(folder, run.step);
  const madeFrom = await options.provenance();
  await replaceFolderAtomic(path, async (fresh) => {
    makeFolder(fresh);
    await options.writeModel(fresh);
    writeState(fresh, options, run, madeFrom);
    await writeChecksums(fresh);
  });
  await run.emit({ event: "checkpoint", phase: run.phase, step: run.step, path });
  removeOld(folder, options.keep, run.step);
}

function writeState(
  folder: string,
  { trained, generator, device, processes = 1, earlyStopping, nonFinite, settings }: CheckpointOptions,
  run: RunHandle,
  madeFrom: Provenance,
): void {
  const rule = run.rule.save();
  const best = [...(earlyStopping?.snapshot ?? [])].map(([name, tensor]) => [BEST + name, tensor] as const);
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
    threads: engineFacts().threads,
    device,
    ...(processes > 1 && { processes }),
    arithmetic: arithmetic(),
    earlyStopping: earlyStopping?.state ?? null,
    ...nonFinite?.state,
    settings,
    madeFrom,
  };
  writeFileAtomic(join(folder, STATE), `${JSON.stringify(state, undefined, 2)}\n`);
}

/** Removes old checkpoints up to a step. Later ones are damaged, or belong to a run that was restarted from an earlier step. */
function removeOld(folder: string, keep: number | undefined, step: number): void {
  if (keep === undefined) return;
  const steps = checkpointSteps(folder).filter((other) => other <= step);
  for (const old of steps.slice(keep)) rmSync(checkpointPath(folder, old), { recursive: true });
}

/** The signal at which `bidora finetune` saves a checkpoint and continues: cluster schedulers can send one before they end a job. */
export const CHECKPOINT_SIGNAL = "SIGUSR2";

/** Requests a checkpoint of a running training: it is saved after the current step. */
export class CheckpointRequest {
  #isAsked = false;

  /** Requests a checkpoint after the current step; several requests during one step give one checkpoint. */
  ask(): void {
    this.#isAsked = true;
  }

  /** Whether a checkpoint was requested since the last call. */
  take(): boolean {
    const isAsked = this.#isAsked;
    this.#isAsked = false;
    return isAsked;
  }
}
