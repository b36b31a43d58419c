import { batchesPerPass, type OrderState } from "../data/index.js";
import type { Batch, EncodedRow } from "../tasks/index.js";
import { type BatchOptions, type BatchSource, BatchStream } from "./batches.js";

/** Rows whose turn lasts for some batches. */
export interface Stretch {
  readonly rowCount: number;
  /** Asked for when their turn comes: those of all stretches together are many times the rows that there are. */
  readonly rows: () => readonly EncodedRow[];
  /** How many batches are taken of them; none for rows whose turn never comes. */
  readonly batches: number;
}

interface Turn extends Stretch {
  /** The number of its first pass, counted through all stretches. */
  readonly firstPass: number;
  readonly batchesPerPass: number;
}

/**
 * The batches of several sets of rows, one after the other, without an end: the last set goes on. Passes are counted through all
 * of them, so that each has an order of its own; a pass that a turn's end cuts short counts as one.
 */
export class StretchedStream implements BatchSource {
  readonly #turns: readonly Turn[];
  #at: number;
  #stream: BatchStream;

  /** @throws UsageError for a stretch whose rows make no batch */
  constructor(
    stretches: readonly Stretch[],
    readonly options: BatchOptions,
  ) {
    this.#turns = turnsOf(stretches, options);
    this.#at = 0;
    this.#stream = this.#begin();
  }

  get state(): OrderState {
    return this.#stream.state;
  }

  restore(state: OrderState): void {
    this.#at = this.#turns.findLastIndex(({ firstPass }) => firstPass <= state.pass);
    this.#stream = this.#begin();
    this.#stream.restore(state);
  }

  next(): Batch {
    const batch = this.#stream.next();
    if (this.#isOver && this.#at + 1 < this.#turns.length) {
      this.#at += 1;
      this.#stream = this.#begin();
    }
    return batch;
  }

  *ahead(): Generator<readonly EncodedRow[]> {
    for (const [i, turn] of this.#turns.entries()) {
      const stream = new BatchStream(turn.rows(), this.options);
      const batches = stream.ahead({ pass: turn.firstPass, index: 0 });
      if (i === this.#turns.length - 1) yield* batches;
      for (let left = turn.batches; left > 0; left--) yield batches.next().value as readonly EncodedRow[];
    }
  }

  get #turn(): Turn {
    return this.#turns[this.#at] as Turn;
  }

  get #isOver(): boolean {
    const { pass, index } = this.state;
    const { firstPass, batches } = this.#turn;
    return (pass - firstPass) * this.#turn.batchesPerPass + index >= batches;
  }

  #begin(): BatchStream {
    const stream = new BatchStream(this.#turn.rows(), this.options);
    stream.restore({ pass: this.#turn.firstPass, index: 0 });
    return stream;
  }
}

function turnsOf(stretches: readonly Stretch[], options: BatchOptions): Turn[] {
  let firstPass = 0;
  return stretches
    .filter(({ batches }) => batches > 0)
    .map((stretch) => {
      const turn = { ...stretch, firstPass, batchesPerPass: batchesPerPass({ ...options, rows: stretch.rowCount }) };
      firstPass += Math.ceil(stretch.batches / turn.batchesPerPass);
      return turn;
    });
}
