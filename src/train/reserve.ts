import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AdaptedModel } from "../adapters/index.js";
import { temporaryPath } from "../files/atomic.js";
import type { Tensor } from "../torch/index.js";
import { hookMemory } from "./hookMemory.js";

/** More is not held: it would be slow to write, and people miss it. */
const MOST = 2 ** 26;

/** Names, shapes and settings beside the numbers, for a checkpoint and for one tensor of it. */
const BESIDE = 2 ** 16;
const BESIDE_TENSOR = 2 ** 10;

/** Room on the disk for one checkpoint, held while a run trains: a disk that fills up then still takes the last good state. */
export class Reserve {
  readonly #path: string;
  #isOver = false;

  constructor(
    folder: string,
    readonly bytes: number,
  ) {
    this.#path = temporaryPath(join(folder, "room"));
  }

  hold(): void {
    if (this.#isOver || this.bytes > MOST) return;
    try {
      // Some file systems would not store zeros.
      writeFileSync(this.#path, randomBytes(this.bytes));
    } catch {
      this.release();
    }
  }

  /** Gives the room back for good. */
  release(): void {
    this.#isOver = true;
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // The folder is gone; whatever comes next tells of it.
    }
  }
}

/**
 * Bytes of a checkpoint: the model, the state with what the optimiser remembers (at most two numbers for each) and what the
 * adapter method does, and the best state where one is kept.
 */
export function checkpointBytes({ trained, hooks }: AdaptedModel, keepsBest: boolean): number {
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
