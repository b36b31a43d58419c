import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../base/index.js";
import { checkpointPath, checkpointSteps, newestCheckpoint, temporaryPath } from "../../base/records/index.js";
import type { TrainedTensor, TrainingHooks } from "../../models/adapters/index.js";
import type { Tensor } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import type { ResumePoint } from "../loop/loop.js";
import type { RunHandle, RunObserver } from "../loop/observer.js";
import type { RuleState } from "../steps/stepRule.js";
import { hookMemory, restoreSnapshot } from "../steps/trainedTensors.js";
import { type CheckpointOptions, saveCheckpoint } from "./checkpoints.js";

/** A run that has failed. */
interface FailedRun {
  readonly error: unknown;
  /** The step whose checkpoint this session has written already. */
  readonly savedStep: number | undefined;
  /** Where this session began, if it resumed the run. */
  readonly from: Pick<ResumePoint, "phase" | "step"> | undefined;
}

/**
 * Saves the last good state of a failed run as a checkpoint. Older ones stay, because this one may lead nowhere.
 * @returns which checkpoint to resume from, in words; undefined if no step was done
 */
export async function rescue(
  latestState: LatestState,
  options: CheckpointOptions,
  { error, savedStep, from }: FailedRun,
): Promise<string | undefined> {
  const hasChanged = latestState.hasChanged ?? from?.phase === "search";
  const good = latestState.restore();
  // A second failure must not hide the first; the message names the newest checkpoint that exists.
  if (good && good.step !== savedStep) await saveCheckpoint({ ...options, keep: undefined }, good).catch(() => {});
  const newest = newestOf(options.folder);
  if (newest === undefined) return good && "Its state could not be saved.";
  const isThis = good !== undefined && newest === checkpointPath(options.folder, good.step);
  const saved = `${isThis ? `The state after step ${good.step}` : "An earlier state"} was saved: --resume continues from ${newest}.`;
  const isCause = !hasChanged && error instanceof BidoraError && error.code === "LOSS_NOT_FINITE";
  return isCause && (isThis || good === undefined) ? `${saved} ${advice(options.folder, newest)}` : saved;
}

/** What helps where a step failed before it changed anything: what the state and its next batch lead to depends on no learning rate. */
function advice(folder: string, newest: string): string {
  const [, before] = checkpointSteps(folder);
  const way =
    before === undefined
      ? "start the run again with --overwrite"
      : `remove ${newest}, and it continues from ${checkpointPath(folder, before)}`;
  return `From there the next loss is the same with any --learning-rate: for a smaller one, ${way}.`;
}

function newestOf(folder: string): string | undefined {
  try {
    return newestCheckpoint(folder);
  } catch {
    return undefined;
  }
}

/** Appends a sentence to the first line of an error's message, the line that users see. */
export function withNote(thrown: unknown, note: string | undefined): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
  if (note === undefined) return error;
  const [first = "", ...rest] = error.message.split("\n");
  const message = [`${first}${/[.!?]$/.test(first) ? "" : "."} ${note}`, ...rest].join("\n");
  Object.defineProperty(error, "message", { value: message, configurable: true, writable: true });
  return error;
}

type Copies = Map<string, torch.Tensor>;

/**
 * The state after the newest step and its observers, in case the next step fails half-way. A step of one level fails before it
 * changes a tensor, so the positions in the data and in the random numbers suffice. A search may have changed the lower tensors already,
 * so its tensors are copied.
 */
export class LatestState implements RunObserver {
  readonly #copies: Copies = new Map();
  #values: RuleState["values"] | undefined;
  #random: Uint8Array | undefined;
  #versions: readonly number[] = [];
  #run: RunHandle | undefined;

  constructor(
    readonly trained: readonly TrainedTensor[],
    readonly generator: torch.Generator,
  ) {}

  on(...[event, run]: Parameters<RunObserver["on"]>): void {
    if (event.event !== "step" || !run) return;
    const { tensors, values } = run.rule.save();
    this.#run = undefined;
    this.#values = values;
    this.#random = this.generator.getState();
    this.#versions = this.#versionsNow();
    if (run.phase === "search")
      this.#copy([...this.trained.map(({ name, tensor }) => [name, tensor] as const), ...tensors]);
    this.#run = run;
  }

  #copy(tensors: Iterable<readonly [string, torch.Tensor]>): void {
    torch.noGrad(() => {
      for (const [name, tensor] of tensors) {
        const copy = this.#copies.get(name);
        if (copy) torch.copy_(copy, tensor);
        else this.#copies.set(name, torch.keep(torch.clone(tensor)));
      }
    });
  }

  #versionsNow(): number[] {
    return this.trained.map(({ tensor }) => tensor.version);
  }

  /** Whether a tensor has changed since; undefined before the first step. */
  get hasChanged(): boolean | undefined {
    return this.#run && this.#versionsNow().some((version, i) => version !== this.#versions[i]);
  }

  /**
   * Restores the state after the newest step.
   * @returns that step's handle; undefined before the first step, or if tensors changed that were not copied
   */
  restore(): RunHandle | undefined {
    const run = this.#run;
    if (!run || !this.#random || !this.#values) return undefined;
    const isCopied = run.phase === "search";
    if (isCopied) restoreSnapshot(this.trained, this.#copies);
    else if (this.hasChanged) return undefined;
    run.rule.restore({ tensors: isCopied ? this.#copies : run.rule.save().tensors, values: this.#values });
    this.generator.setState(this.#random);
    return run;
  }
}

/** The most bytes that are written for a reserve: more would take long. */
const MOST = 2 ** 26;

/** Overhead in bytes of a checkpoint and of each of its tensors: names, shapes and settings. */
const BESIDE = 2 ** 16;
const BESIDE_TENSOR = 2 ** 10;

/**
 * Reserves disk space for one checkpoint while a run trains, so that the last good state can be saved to a full disk. A large one takes
 * no time where the file system can allocate without writing (ext4, XFS, Btrfs, tmpfs); elsewhere it is not reserved.
 */
export class DiskReserve {
  readonly #path: string;
  #isOver = false;

  constructor(
    folder: string,
    readonly bytes: number,
  ) {
    this.#path = temporaryPath(join(folder, "room"));
  }

  hold(): void {
    if (this.#isOver) return;
    try {
      // Some file systems would not store zeros.
      if (this.bytes <= MOST) writeFileSync(this.#path, randomBytes(this.bytes));
      else execFileSync("fallocate", ["--length", String(this.bytes), this.#path], { stdio: "ignore" });
    } catch {
      this.release();
    }
  }

  /** Frees the space permanently. */
  release(): void {
    this.#isOver = true;
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // The folder is gone; the next write reports it.
    }
  }
}

/**
 * Bytes of a checkpoint: the model, the trained tensors, the optimizer's state (at most two numbers for each), the adapter method's
 * state, and the best state of early stopping.
 */
export function checkpointBytes(
  trained: readonly TrainedTensor[],
  hooks: TrainingHooks | undefined,
  keepsBest: boolean,
): number {
  const memory = [...hookMemory(hooks).values()];
  const tensors = trained.length + memory.length;
  return (
    bytesOf(trained.map(({ tensor }) => tensor)) * (keepsBest ? 5 : 4) +
    bytesOf(memory) +
    tensors * BESIDE_TENSOR +
    BESIDE
  );
}

const bytesOf = (tensors: readonly Tensor[]): number => tensors.reduce((sum, { nbytes }) => sum + nbytes, 0);
