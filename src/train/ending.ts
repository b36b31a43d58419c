import type { Ranks } from "../torch/index.js";

/**
 * The end of a run by an abort, at the same step on all ranks: a signal may reach one of them alone.
 */
export class Ending {
  readonly #agreed: AbortController | undefined;

  constructor(
    readonly ranks: Ranks,
    readonly given: AbortSignal,
  ) {
    this.#agreed = ranks.size > 1 ? new AbortController() : undefined;
  }

  /** Aborted once the ranks have agreed on it. */
  get signal(): AbortSignal {
    return this.#agreed?.signal ?? this.given;
  }

  /** Whether the run ends, on all ranks. All of them must ask at the same place. */
  agree(): boolean {
    if (this.#agreed && !this.#agreed.signal.aborted && this.ranks.any(this.given.aborted))
      this.#agreed.abort(this.given.reason);
    return this.signal.aborted;
  }
}
