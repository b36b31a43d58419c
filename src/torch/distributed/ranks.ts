// What processes that train together do with each other, and what that is for one that trains alone.
import { grad } from "../autograd.js";
import type { Tensor } from "../tensor.js";

/**
 * The processes that train together. Every function must be called by all ranks, in the same order, and returns when all have called it.
 * @throws BidoraError `RANK_LOST` if a rank has ended, or does not answer within the timeout
 */
export interface Ranks {
  readonly rank: number;
  readonly size: number;
  /** Its number among the ranks of its machine. */
  readonly localRank: number;
  /** Sums over all ranks, as new tensors of the same shapes and dtype; the ranks get the same bits. */
  sum(tensors: readonly Tensor[]): readonly Tensor[];
  /** Begins a sum of a loss and its gradients. Until it is finished, no other sum may begin. */
  startSum(inputs: readonly Tensor[]): GradientSum;
  /** The values of all ranks, in the order of the ranks. Values are copied as by `structuredClone`. */
  gather<T>(value: T): readonly T[];
  /** Which of some conditions are true on any rank. */
  any(...areTrue: readonly boolean[]): readonly boolean[];
  /** Says, on rank 0, which error it will print, so that the others need not. */
  announce(error: Error): void;
  /** Tells the others why this rank ends. They fail with it. */
  fail(error: Error): void;
  /** Whether rank 0 prints the error. */
  isAnnounced(error: Error): boolean;
  /** Leaves the group. */
  leave(): void;
}

/** A sum over all ranks of a loss and its gradients. */
export interface GradientSum {
  /**
   * This rank's gradients of `output` with respect to the inputs, which must be leaves; undefined where it does not depend on one. Ranks
   * send them to each other while the backward pass goes on, in buckets of 25 MiB.
   */
  gradients(output: Tensor): readonly (Tensor | undefined)[];
  /** The sums of the losses and, unless they have been sent, of these gradients. */
  finish(loss: Tensor, gradients: readonly Tensor[]): readonly [loss: Tensor, ...gradients: Tensor[]];
}

/** A sum that begins once all tensors are there. */
export const sumAtTheEnd = (sum: Ranks["sum"], inputs: readonly Tensor[]): GradientSum => ({
  gradients: (output) => grad([output], inputs, { allowUnused: true }),
  finish: (loss, gradients) => sum([loss, ...gradients]) as [Tensor, ...Tensor[]],
});

const unchanged: Ranks["sum"] = (tensors) => tensors;

/** A process that trains alone. */
export const ALONE: Ranks = {
  rank: 0,
  size: 1,
  localRank: 0,
  sum: unchanged,
  startSum: (inputs) => sumAtTheEnd(unchanged, inputs),
  gather: (value) => [value],
  any: (...areTrue) => areTrue,
  announce() {},
  fail() {},
  isAnnounced: () => false,
  leave() {},
};

/**
 * What reaches one rank from outside and concerns all: an abort, at which the run ends at the same step on all ranks, and a request for
 * a checkpoint, which rank 0 saves.
 */
export class Ending {
  readonly #agreed: AbortController | undefined;

  constructor(
    readonly ranks: Ranks,
    readonly given: AbortSignal,
    readonly checkpoints?: { take(): boolean; ask(): void } | undefined,
  ) {
    this.#agreed = ranks.size > 1 ? new AbortController() : undefined;
  }

  /** Aborted once the ranks have agreed on it. */
  get signal(): AbortSignal {
    return this.#agreed?.signal ?? this.given;
  }

  /** Whether the run ends, on all ranks. All of them must ask at the same place. */
  agree(): boolean {
    if (this.#agreed && !this.#agreed.signal.aborted) {
      const [isOver, isAsked] = this.ranks.any(this.given.aborted, this.checkpoints?.take() === true);
      if (isAsked && this.ranks.rank === 0) this.checkpoints?.ask();
      if (isOver) this.#agreed.abort(this.given.reason);
    }
    return this.signal.aborted;
  }

  /** The same. @throws the signal's reason if the run ends */
  throwIfOver(): void {
    if (this.agree()) throw this.signal.reason;
  }
}
