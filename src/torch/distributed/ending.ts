import type { Ranks } from "./processGroup.js";

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
